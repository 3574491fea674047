namespace Rosetta.Testing.Workloads.Tables;

sealed class ItemsTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Items, rows)
{
    // Rows of large transactions have keys of their own, out of the way of the rest.
    const long FirstBulkKey = 1_000_000_000;

    public override int Weight => 20;

    public override string Ddl =>
        $"""
        CREATE TABLE {Name} (
            id bigint PRIMARY KEY, kind smallint, name text NOT NULL, price numeric(12, 2), active boolean NOT NULL DEFAULT true,
            weight double precision, created timestamptz, seq bigint NOT NULL DEFAULT 0)
        """;

    public override string Seeding => Fill(1, Rows);

    public override void Add(Random random, List<Statement> statements)
    {
        long key = AnyKey(random);
        statements.Add(random.Next(100) switch
        {
            < 40 => On($"UPDATE {Name} SET price = $2, seq = seq + 1 WHERE id = $1", key, random.Next(1_000_000) / 100m),
            < 50 => On(
                $"UPDATE {Name} SET name = $2, kind = NULL, weight = $3, active = NOT active, seq = seq + 1 WHERE id = $1",
                key, "item " + random.Next(), random.NextDouble() * 1e6),
            < 75 => On(
                $"INSERT INTO {Name} (id, kind, name, price, weight, created) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                key, (short)random.Next(-5, 5), "neu " + random.Next(), random.Next(1_000_000) / 100m, random.NextDouble(),
                DateTime.UnixEpoch.AddSeconds(random.Next())),
            < 90 => On($"DELETE FROM {Name} WHERE id = $1", key),
            _ => On(
                $"UPDATE {Name} SET id = $2, seq = seq + 1 WHERE id = $1 AND NOT EXISTS (SELECT FROM {Name} WHERE id = $2)",
                key, (long)AnyKey(random))
        });
    }

    /// <summary>A change of that many rows: inserted, changed and deleted in turn.</summary>
    public Statement Large(int number, int count) => (number % 3) switch
    {
        0 => On(Fill(FirstBulkKey, count) + " ON CONFLICT (id) DO UPDATE SET seq = items.seq + 1"),
        1 => On($"UPDATE {Name} SET seq = seq + 1, price = NULL WHERE id >= {FirstBulkKey}"),
        _ => On($"DELETE FROM {Name} WHERE id >= {FirstBulkKey}")
    };

    string Fill(long first, int count) =>
        $"""
        INSERT INTO {Name} (id, kind, name, price, weight, created)
        SELECT i, i % 7, 'item ' || i, (i % 100000) / 100.0, i / 3.0::float8, timestamptz '2024-02-29 23:59:59Z' + (i % 1000000) * interval '1 s'
        FROM generate_series({first}, {first + count - 1}) i
        """;
}
