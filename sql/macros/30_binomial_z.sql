-- The normal deviate as improbable as k or more of n draws with chance p (Peizer and Pratt 1968): normal_tail of it is
-- P(X >= k), mostly within a thousandth and within a fifth in any tail. Null when p is 0 or 1: nothing to test then.
-- A view computes the deviate in one step and its tail in the next: macros are pasted, and the tail names it often.
-- Where k - 1/2 comes to n p, the long root over its distance is 0 / 0, or what rounding makes of it: the limit is taken.
CREATE MACRO binomial_z(k, n, p) AS
CASE
    WHEN p <= 0 OR p >= 1 THEN NULL
    WHEN k <= 0 THEN -40.0
    ELSE (k - 1 / 3 - (n + 1 / 3) * p + 0.02 * ((1 - p) / k - p / (n - k + 1) + (0.5 - p) / (n + 1)))
        / sqrt(1 + 1 / (6 * n))
        * CASE
            WHEN abs(k - 0.5 - n * p) < 0.01 * sqrt(n * p * (1 - p)) THEN 1 / sqrt(n * p * (1 - p))
            ELSE sqrt(2 * greatest(0, (
                (k - 0.5) * ln((k - 0.5) / (n * p)) + (n - k + 0.5) * ln((n - k + 0.5) / (n * (1 - p)))
            ))) / abs(k - 0.5 - n * p)
        END
END;
