namespace Rosetta.Testing.Workloads.Tables;

sealed class CountersTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Counters, rows)
{
    const int Counters = 10;

    public override int Weight => 14;

    public override string Ddl => $"CREATE TABLE {Name} (id int PRIMARY KEY, value bigint NOT NULL)";

    public override string Seeding => $"INSERT INTO {Name} SELECT i, 0 FROM generate_series(1, {Counters}) i";

    public override void Add(Random random, List<Statement> statements) =>
        statements.Add(On($"UPDATE {Name} SET value = value + 1 WHERE id = $1", random.Next(1, Counters + 1)));
}
