-- The normal deviate as improbable as k or more of n draws with chance p (Peizer and Pratt 1968): normal_tail of it is
-- P(X >= k), mostly within a thousandth and within a fifth in any tail. Null when p is 0 or 1: nothing to test then.
-- A view computes the deviate in one step and its tail in the next: macros are pasted, and the tail names it often.
CREATE MACRO binomial_z(k, n, p) AS
CASE
    WHEN p <= 0 OR p >= 1 THEN NULL
    WHEN k <= 0 THEN -40.0
    WHEN k - 0.5 = n * p THEN 0.0
    ELSE (k - 1 / 3 - (n + 1 / 3) * p + 0.02 * ((1 - p) / k - p / (n - k + 1) + (0.5 - p) / (n + 1)))
        / abs(k - 0.5 - n * p)
        * sqrt(2 / (1 + 1 / (6 * n)) * greatest(0, (
            (k - 0.5) * ln((k - 0.5) / (n * p)) + (n - k + 0.5) * ln((n - k + 0.5) / (n * (1 - p)))
        )))
END;
