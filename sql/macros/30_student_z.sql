-- The normal deviate as improbable as Student's t with df degrees of freedom (Wallace 1959). Never too
-- small a p by more than one per cent, but too large far in the tail with few degrees of freedom: at p = 1e-4 by 1 % with 20,
-- 11 % with 6, 45 % with 3.
CREATE MACRO student_z(t, df) AS
sign(t) * (8 * df + 1) / (8 * df + 3) * sqrt(df * ln(1 + t * t / df));
