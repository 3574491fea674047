namespace Rosetta.Testing.Workloads.Tables;

sealed class EventsTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Events, rows)
{
    // Few different rows, hence identical ones.
    const int Numbers = 20;

    public override int Weight => 10;

    public override string Ddl =>
        $"CREATE TABLE {Name} (n int, level text, message text, payload text); ALTER TABLE {Name} REPLICA IDENTITY FULL";

    public override string Seeding =>
        $"""
        INSERT INTO {Name} SELECT i % {Numbers}, CASE i % 3 WHEN 0 THEN 'info' WHEN 1 THEN '' END, 'message ' || i % 2
        FROM generate_series(1, {Math.Min(Rows, 100)}) i
        """;

    public override void Add(Random random, List<Statement> statements)
    {
        var n = random.Next(Numbers);
        statements.Add(random.Next(100) switch
        {
            < 40 => On(
                $"INSERT INTO {Name} VALUES ($1, nullif($2, 'none'), 'message ' || $3::int)",
                n, random.Next(3) switch { 0 => "info", 1 => "", _ => "none" }, random.Next(2)),
            < 44 => On($"INSERT INTO {Name} VALUES ($1, 'long', NULL, {LongText("$1", 3)})", n),
            // One of several, perhaps identical, rows: the order makes the choice the same in every run.
            < 72 => On($"DELETE FROM {Name} WHERE ctid = ({One})", n),
            < 95 => On($"UPDATE {Name} SET message = $2 WHERE ctid = ({One})", n, "message " + random.Next(2)),
            _ => On($"DELETE FROM {Name} WHERE n = $1", n)
        });
    }

    /// <summary>TRUNCATE, with rows before and after it in the same transaction.</summary>
    public IEnumerable<Statement> Truncate(Random random)
    {
        yield return On($"INSERT INTO {Name} VALUES ($1, 'before')", random.Next(Numbers));
        yield return new Statement(null, $"TRUNCATE {Name}");
        yield return On($"INSERT INTO {Name} VALUES ($1, 'after')", random.Next(Numbers));
    }

    string One => $"SELECT ctid FROM {Name} WHERE n = $1 ORDER BY level, message, payload LIMIT 1 FOR UPDATE";
}
