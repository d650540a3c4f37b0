-- Fourth central moment over the squared second one, 3 for normal values, from weighted sums of powers of x: w of the
-- weights, wx, wxx, wx3 and wx4 of those times x to the power. Null where x does not vary.
CREATE MACRO weighted_kurtosis(w, wx, wxx, wx3, wx4) AS
(wx4 / w - 4 * (wx / w) * (wx3 / w) + 6 * (wx / w) ** 2 * (wxx / w) - 3 * (wx / w) ** 4)
    / nullif(greatest(0, wxx / w - (wx / w) ** 2), 0) ** 2;
