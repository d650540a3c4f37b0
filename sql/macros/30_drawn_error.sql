-- Standard error of the mean of n values of -1, 0 and 1, of which some are gained (1) and some lost (-1), drawn without
-- replacement from `size`: sqrt((1 - n / size) * variance / n), 0 where all were drawn. Half a value is added to either kind,
-- and two to n (Agresti and Min 2005): that none of a few changed does not say that none of all would.
CREATE MACRO drawn_error(gained, lost, n, size) AS
    sqrt((1 - n / size) * ((gained + lost + 1) / (n + 2) - ((gained - lost) / (n + 2)) ** 2) / (n + 2));
