"""How many calls a load makes of Glue and S3, beside a plain append and MERGE of the same rows."""
