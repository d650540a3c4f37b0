-- The 97.5 % quantile of Student's t with df degrees of freedom: half a 95 % interval, in standard errors. From 3 on
-- Cornish and Fisher's expansion (Abramowitz and Stegun 1964, 26.7.5), within 0.2 %; below, those of 1 and 2 themselves.
CREATE MACRO student_975(df) AS
CASE
    WHEN df < 2 THEN 12.706205
    WHEN df < 3 THEN 4.302653
    ELSE 1.959964 + 2.372271 / df + 2.822502 / df ** 2 + 2.555853 / df ** 3 + 1.589536 / df ** 4
END;
