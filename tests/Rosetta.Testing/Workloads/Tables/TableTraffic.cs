using Rosetta.Testing.Servers;

namespace Rosetta.Testing.Workloads.Tables;

/// <summary>
/// One table of the workload: its DDL, its first rows, and random changes to it. A change is drawn from the random source alone, never
/// from what the table holds, so the statements depend on the seed only; each is written so that it works on any content.
/// </summary>
abstract class TableTraffic(string schema, string table, int rows)
{
    public string Table { get; } = table;

    /// <summary>schema.table, quoted.</summary>
    protected string Name { get; } = SqlName.Quote(schema, table);

    protected string Schema { get; } = SqlName.Quote(schema);

    /// <summary>Rows after seeding.</summary>
    protected int Rows { get; } = rows;

    /// <summary>How often it is chosen, against the others.</summary>
    public abstract int Weight { get; }

    public abstract string Ddl { get; }

    /// <summary>The first rows; deterministic.</summary>
    public abstract string Seeding { get; }

    /// <summary>Adds the statements of one random change.</summary>
    public abstract void Add(Random random, List<Statement> statements);

    /// <summary>Half of the keys exist in the long run: inserts and deletes both find work.</summary>
    protected int AnyKey(Random random) => random.Next(1, Rows * 2 + 1);

    protected Statement On(string sql, params object[] parameters) => new(Table, sql, parameters);

    /// <summary>SQL for an incompressible text of about <paramref name="kilobytes"/> KB made from the number <paramref name="seed"/>.</summary>
    protected static string LongText(string seed, int kilobytes) =>
        $"(SELECT string_agg(md5(({seed})::text || piece), '') FROM generate_series(1, {kilobytes * 32}) piece)";
}
