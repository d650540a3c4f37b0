-- Share of a sample's tweets of a label that may lack an explanation before nothing is confirmed any more.
CREATE MACRO most_lost() AS 0.05;
