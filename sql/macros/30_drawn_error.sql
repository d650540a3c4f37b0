-- Standard error of the mean of n values drawn without replacement from `size`, from their sum and the sum of their
-- squares: sqrt((1 - n / size) * variance / n) (Cochran 1977, section 2.5). 0 where all were drawn; null for one.
CREATE MACRO drawn_error(total, squares, n, size) AS
    sqrt((1 - n / size) * greatest(0, squares - total ** 2 / n) / nullif(n - 1, 0) / n);
