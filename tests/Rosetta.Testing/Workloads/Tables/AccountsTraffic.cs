namespace Rosetta.Testing.Workloads.Tables;

sealed class AccountsTraffic(string schema, int rows) : TableTraffic(schema, WorkloadTables.Accounts, rows)
{
    public const int Accounts = 100;
    public const int FirstBalance = 1_000;

    public override int Weight => 12;

    public override string Ddl => $"CREATE TABLE {Name} (id int PRIMARY KEY, owner text NOT NULL, balance bigint NOT NULL)";

    public override string Seeding => $"INSERT INTO {Name} SELECT i, 'owner ' || i, {FirstBalance} FROM generate_series(1, {Accounts}) i";

    public override void Add(Random random, List<Statement> statements)
    {
        var from = random.Next(1, Accounts + 1);
        var to = random.Next(1, Accounts + 1);
        if (from == to)
            to = from % Accounts + 1;
        long amount = random.Next(1, 100);
        var sql = $"UPDATE {Name} SET balance = balance + $2 WHERE id = $1";
        statements.Add(On(sql, from, -amount));
        statements.Add(On(sql, to, amount));
    }
}
