-- The normal deviate that is exceeded with chance p, for p of 0.5 or less; within 0.0005 (Abramowitz and Stegun 1964, 26.2.23).
-- t is sqrt(-2 ln p): named once, where it stands three times.
CREATE MACRO normal_above(p) AS
    sqrt(-2 * ln(p)) - (2.515517 + 0.802853 * sqrt(-2 * ln(p)) + 0.010328 * (-2 * ln(p)))
        / (1 + 1.432788 * sqrt(-2 * ln(p)) + 0.189269 * (-2 * ln(p)) + 0.001308 * sqrt(-2 * ln(p)) ** 3);
