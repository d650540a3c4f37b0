-- Degrees of freedom of an error made of squares with unequal weights, of which v is the sum and v2 the sum of squares
-- (Satterthwaite 1946); n - 1 for n equal ones. Ten texts of which one weighs as much as the rest are not ten.
CREATE MACRO effective_df(v, v2) AS greatest(1, v ** 2 / nullif(v2, 0) - 1);
