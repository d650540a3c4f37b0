-- Of no label are so many sampled tweets without an explanation that estimates would be of the others.
SELECT model_version, label, lost, tweets FROM sample_losses WHERE lost >= 3 AND share > most_lost();
