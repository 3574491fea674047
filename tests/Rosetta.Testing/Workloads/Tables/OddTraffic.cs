namespace Rosetta.Testing.Workloads.Tables;

sealed class OddTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Odd, rows)
{
    static readonly string[] Texts =
    [
        "", " ", "it's", "a \"quote\"", @"back\slash \N \.", "tab\tand\nline\r\nends", "日本語 ünï 🙂", "$1 ; DROP TABLE x; --", "NULL", "{}"
    ];

    public override int Weight => 6;

    public override string Ddl =>
        $"""
        CREATE TABLE {Name} (
            "select" text, "Key 1" int PRIMARY KEY, "Mixed Case" int, "ünï;cödé" text, "quote""d'" text, "a.b" numeric(5, 3))
        """;

    public override string Seeding =>
        $"""
        INSERT INTO {Name} ("Key 1", "select", "Mixed Case") SELECT i, 'row ' || i, -i FROM generate_series(1, {Keys / 2}) i
        """;

    int Keys => Math.Min(Rows, 200);

    public override void Add(Random random, List<Statement> statements)
    {
        var key = random.Next(1, Keys + 1);
        var text = Texts[random.Next(Texts.Length)];
        statements.Add(random.Next(4) switch
        {
            0 => On(
                $"""INSERT INTO {Name} ("Key 1", "select", "a.b") VALUES ($1, $2, $3) ON CONFLICT DO NOTHING""",
                key, text, random.Next(99_999) / 1000m),
            1 => On($"""DELETE FROM {Name} WHERE "Key 1" = $1""", key),
            2 => On($"""UPDATE {Name} SET "ünï;cödé" = $2, "quote""d'" = nullif($2, '') WHERE "Key 1" = $1""", key, text),
            _ => On($"""UPDATE {Name} SET "Mixed Case" = $2, "select" = NULL WHERE "Key 1" = $1""", key, random.Next())
        });
    }
}
