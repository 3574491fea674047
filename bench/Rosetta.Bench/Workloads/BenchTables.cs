using System.Globalization;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Workloads;

/// <summary>
/// The tables of the benchmark. <c>progress</c> gets a row about every thousand changes, in the transaction of those changes: its highest number
/// visible at a target is how many rows have arrived there.
/// </summary>
static class BenchTables
{
    public static readonly string[] Names = ["progress", "items", "stock", "branches", "tellers", "accounts", "history", "ticks"];

    const string MixedColumns =
        "id bigint PRIMARY KEY, sku uuid NOT NULL, name text NOT NULL, price numeric(12, 2) NOT NULL, quantity integer NOT NULL, ratio double precision, "
        + "active boolean NOT NULL, created timestamptz NOT NULL, day date, kind smallint, note text";

    public const string CreateSql =
        $"""
        CREATE TABLE progress (rows bigint PRIMARY KEY);
        CREATE TABLE items ({MixedColumns});
        CREATE TABLE stock ({MixedColumns});
        CREATE TABLE branches (bid integer PRIMARY KEY, bbalance integer NOT NULL, filler char(88));
        CREATE TABLE tellers (tid integer PRIMARY KEY, bid integer NOT NULL, tbalance integer NOT NULL, filler char(84));
        CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer NOT NULL, abalance integer NOT NULL, filler char(84));
        CREATE TABLE history (hid bigint PRIMARY KEY, tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22));
        CREATE TABLE ticks (id bigint PRIMARY KEY, note text);
        """;

    /// <summary>A table of the 11 mixed columns.</summary>
    public static string MixedSql(string name) => $"CREATE TABLE {name} ({MixedColumns})";

    /// <summary>Rows of the 11 mixed columns, about 120 bytes each.</summary>
    public static string MixedRows(string from, string to) =>
        "SELECT g, md5(g::text)::uuid, 'item ' || g, (g % 100000) / 7.0, (g % 1000)::integer, g / 3.0::double precision, g % 3 = 0, "
        + $"timestamptz '2025-01-01 UTC' + g * interval '1 second', date '2025-01-01' + (g % 365)::integer, (g % 7)::smallint, 'note of ' || g FROM generate_series({from}, {to}) g";

    /// <summary>Creates them at the source with what the workloads change.</summary>
    /// <param name="stock">Rows of <c>stock</c> and of <c>accounts</c>.</param>
    public static Task CreateAsync(BenchDatabases databases, long stock, CancellationToken cancellationToken) => databases.ExecuteAtSourceAsync(
        string.Create(
            CultureInfo.InvariantCulture,
            $"""
            {CreateSql}
            INSERT INTO stock {MixedRows("1::bigint", $"{stock}")};
            INSERT INTO branches SELECT g, 0, '' FROM generate_series(1, 10) g;
            INSERT INTO tellers SELECT g, 1 + g / 10, 0, '' FROM generate_series(1, 100) g;
            INSERT INTO accounts SELECT g, 1 + g % 10, 0, '' FROM generate_series(1, {stock}) g;
            """),
        cancellationToken);
}
