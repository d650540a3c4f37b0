-- An estimate of a share, brought back to where shares are: from 0 to 1.
CREATE MACRO as_share(estimate) AS greatest(0, least(1, estimate));
