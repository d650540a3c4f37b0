-- Explained tweets with a word from which a bias of the usual size is found (`selftest`): what `effects --explain` brings a word to.
CREATE MACRO enough_tweets() AS 50;
-- Edited tweets from which an effect that is not shown is taken for none that decides.
CREATE MACRO enough_edits() AS 20;
