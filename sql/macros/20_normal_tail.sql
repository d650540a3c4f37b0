-- P(Z > z) of the standard normal distribution: a one-sided p.
CREATE MACRO normal_tail(z) AS
CASE
    WHEN z >= 0 THEN half_erfc(z / sqrt(2), 1 / (1 + z / sqrt(8)))
    ELSE 1 - half_erfc(-z / sqrt(2), 1 / (1 - z / sqrt(8)))
END;
