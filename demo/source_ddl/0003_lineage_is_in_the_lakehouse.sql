-- Databases of earlier releases have a data_lineage that nothing has ever filled. One that somebody
-- has filled stays.

DO $$
BEGIN
    IF to_regclass('source_schema.data_lineage') IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM source_schema.data_lineage) THEN
            DROP TABLE source_schema.data_lineage;
        END IF;
    END IF;
END $$;
