-- Degrees of freedom where values have heavier tails than normal ones: a variance is known worse by 2 / (kurtosis - 1) then
-- (Satterthwaite 1946, with the variance of r^2 that the kurtosis says). Not under 2, but where df was: below, the
-- quantile of Student's t says only that nothing is known.
CREATE MACRO heavy_tailed_df(df, kurtosis) AS
CASE WHEN kurtosis > 3 THEN greatest(least(df, 2), 2 * (df + 1) / (kurtosis - 1) - 1) ELSE df END;
