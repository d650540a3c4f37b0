-- Student's t with df degrees of freedom that is exceeded with chance p, for p of 0.5 or less: student_z the other way round.
CREATE MACRO student_above(p, df) AS
    sqrt(df * (exp((normal_above(p) * (8 * df + 3) / (8 * df + 1)) ** 2 / df) - 1));
