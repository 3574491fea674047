namespace Rosetta.Testing.Workloads.Tables;

sealed class OrderLinesTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.OrderLines, rows)
{
    const int LinesPerOrder = 5;

    public override int Weight => 12;

    public override string Ddl =>
        $"""
        CREATE TABLE {Name} (
            line int NOT NULL, note text, order_id bigint NOT NULL, quantity int NOT NULL, price numeric, shipped date,
            PRIMARY KEY (order_id, line))
        """;

    public override string Seeding =>
        $"""
        INSERT INTO {Name} (order_id, line, quantity, price)
        SELECT o, l, l * 2, o / 7.0 FROM generate_series(1, {Orders / 2}) o, generate_series(1, {LinesPerOrder}) l
        """;

    int Orders => Math.Max(2, Rows * 2 / LinesPerOrder);

    public override void Add(Random random, List<Statement> statements)
    {
        var order = random.NextInt64(1, Orders + 1);
        var line = random.Next(1, LinesPerOrder + 3);
        statements.Add(random.Next(100) switch
        {
            < 35 => On(
                $"INSERT INTO {Name} (order_id, line, quantity, price, note) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                order, line, random.Next(100), random.Next() / 1000m, random.Next(3) == 0 ? "" : "n" + random.Next(1000)),
            < 65 => On(
                $"UPDATE {Name} SET quantity = $3, shipped = date '2020-01-01' + $3::int WHERE order_id = $1 AND line = $2",
                order, line, random.Next(5000)),
            < 82 => On($"DELETE FROM {Name} WHERE order_id = $1 AND line = $2", order, line),
            < 92 => On(
                $"UPDATE {Name} SET line = $3 WHERE order_id = $1 AND line = $2 "
                    + $"AND NOT EXISTS (SELECT FROM {Name} WHERE order_id = $1 AND line = $3)",
                order, line, random.Next(1, LinesPerOrder + 3)),
            < 97 => On(
                $"UPDATE {Name} SET order_id = $2 WHERE order_id = $1 AND NOT EXISTS (SELECT FROM {Name} WHERE order_id = $2)",
                order, random.NextInt64(1, Orders + 1)),
            _ => On($"DELETE FROM {Name} WHERE order_id = $1", order)
        });
    }
}
