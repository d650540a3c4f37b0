-- The normal deviate as improbable as Student's t with df degrees of freedom (Wallace 1959). A few per cent too large a
-- p far in the tail with few degrees of freedom, never too small by more than one per cent.
CREATE MACRO student_z(t, df) AS
sign(t) * (8 * df + 1) / (8 * df + 3) * sqrt(df * ln(1 + t * t / df));
