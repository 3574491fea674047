using System.Globalization;

namespace Rosetta.Testing.Workloads.Tables;

sealed class WideTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Wide, rows)
{
    // With the key and the two long ones: 60.
    const int SmallColumns = 57;

    static readonly string[] Types = ["int", "text", "numeric", "timestamptz", "boolean", "bigint", "double precision", "date"];

    public override int Weight => 12;

    // Long values always go out of line, whatever their compressed size.
    public override string Ddl =>
        $"""
        CREATE TABLE {Name} (
            id int PRIMARY KEY,
            {string.Join(", ", Enumerable.Range(1, SmallColumns).Select(i => $"{Column(i)} {Types[i % Types.Length]}"))},
            notes text, body text);
        ALTER TABLE {Name} ALTER notes SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL
        """;

    public override string Seeding =>
        $"""
        INSERT INTO {Name} (id, c01, c02, c03, c08, notes, body)
        SELECT i, CASE WHEN i % 5 <> 0 THEN 'text ' || i END, i / 4.0, timestamptz '2001-01-01Z' + i * interval '1 h', i,
               CASE WHEN i % 3 <> 0 THEN {LongText("i", 3)} END, {LongText("-i", 4)}
        FROM generate_series(1, {Rows / 2}) i
        """;

    public override void Add(Random random, List<Statement> statements)
    {
        // Few rows and many changes to each, so that updates of one row fall into one batch.
        var key = random.Next(1, Rows + 1);
        statements.Add(random.Next(100) switch
        {
            < 35 => On(
                $"UPDATE {Name} SET c08 = $2, c01 = $3, c04 = NOT coalesce(c04, false) WHERE id = $1",
                key, random.Next(), "small " + random.Next()),
            < 47 => On($"UPDATE {Name} SET notes = {LongText("$2", 3)}, c16 = $2 WHERE id = $1", key, random.Next()),
            < 57 => On($"UPDATE {Name} SET body = {LongText("$2", 5)} WHERE id = $1", key, random.Next()),
            < 62 => On($"UPDATE {Name} SET notes = NULL WHERE id = $1", key),
            < 65 => On($"UPDATE {Name} SET notes = body, body = notes WHERE id = $1", key),
            < 80 => On(
                $"INSERT INTO {Name} (id, c08, c10, notes, body) VALUES ($1, $2, $2::numeric / 100, 'short', {LongText("$2", 4)}) ON CONFLICT (id) DO NOTHING",
                key, random.Next()),
            < 92 => On($"DELETE FROM {Name} WHERE id = $1", key),
            _ => On(
                $"UPDATE {Name} SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM {Name} WHERE id = $2)", key, random.Next(1, Rows + 1))
        });
    }

    static string Column(int number) => "c" + number.ToString("00", CultureInfo.InvariantCulture);
}
