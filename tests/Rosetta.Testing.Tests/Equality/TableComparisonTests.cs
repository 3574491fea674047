using System.Diagnostics;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Tests.Servers;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Testing.Tests.Equality;

public sealed class TableComparisonTests(TwoServers servers, ITestOutputHelper output) : IClassFixture<TwoServers>
{
    async Task<TableComparisonResult> CompareAsync(string both, string sourceOnly, string destinationOnly, TablePair? pair = null)
    {
        var database = await servers.CreateDatabaseAsync();
        await servers.Source.ExecuteAsync(both + ";" + sourceOnly, database);
        await servers.Destination.ExecuteAsync(both + ";" + destinationOnly, database);
        var result = await TableComparison.CompareAsync(
            servers.Source.ConnectionString(database), servers.Destination.ConnectionString(database), pair ?? TablePair.Same("public", "t"));
        output.WriteLine(result.ToString());
        return result;
    }

    const string Numbered = "CREATE TABLE t (id bigint PRIMARY KEY, v text, n numeric, d float8); "
        + "INSERT INTO t SELECT i, 'value ' || i, i / 10.0, i FROM generate_series(-50, 5000) i";

    [Fact]
    public async Task Should_find_equal_tables_equal_whatever_their_physical_order()
    {
        var result = await CompareAsync(Numbered, "SELECT 1", "UPDATE t SET v = v WHERE id % 7 = 0; CLUSTER t USING t_pkey");
        Assert.True(result.Equal);
        Assert.Equal(5_051, result.SourceRows);
        Assert.Equal(5_051, result.DestinationRows);
    }

    [Theory]
    [InlineData("UPDATE t SET v = v || ' ' WHERE id = 42", "v")]
    [InlineData("UPDATE t SET v = NULL WHERE id = 42", "v")]
    [InlineData("UPDATE t SET n = 4.20 WHERE id = 42", "n")]
    [InlineData("UPDATE t SET d = '42.00000000000001' WHERE id = 42", "d")]
    public async Task Should_name_the_column_of_a_single_differing_value(string change, string column)
    {
        var result = await CompareAsync(Numbered + "; UPDATE t SET n = 4.2 WHERE id = 42", "SELECT 1", change);
        Assert.Equal(1, result.DifferenceCount);
        var difference = Assert.Single(result.Differences);
        Assert.Equal(RowDifferenceKind.Changed, difference.Kind);
        Assert.Equal("id 42", difference.Key);
        Assert.Equal(column, Assert.Single(difference.Columns).Column);
    }

    [Theory]
    [InlineData("0"), InlineData("0.00"), InlineData("-1.50"), InlineData("12345678901234567890123456789012345678901234567890.000100")]
    [InlineData("0.00000000012300"), InlineData("10000"), InlineData("99990000.0001"), InlineData("NaN"), InlineData("-Infinity")]
    public async Task Should_show_numerics_as_postgres_does(string number)
    {
        var result = await CompareAsync(
            "CREATE TABLE t (id int PRIMARY KEY, n numeric)", "INSERT INTO t VALUES (1, NULL)", $"INSERT INTO t VALUES (1, '{number}')");
        Assert.Equal(number, Assert.Single(Assert.Single(result.Differences).Columns).Destination);
    }

    [Fact]
    public async Task Should_tell_an_empty_string_from_null_and_zero_from_negative_zero()
    {
        var result = await CompareAsync(
            "CREATE TABLE t (id int PRIMARY KEY, v text, d float8); INSERT INTO t VALUES (1, '', 0)",
            "SELECT 1", "UPDATE t SET v = NULL, d = '-0'");
        Assert.Equal(["v", "d"], Assert.Single(result.Differences).Columns.Select(c => c.Column));
        Assert.Contains("v is NULL instead of ''", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_find_missing_and_extra_rows_at_every_place()
    {
        var result = await CompareAsync(
            Numbered, "DELETE FROM t WHERE id IN (-50, 7)", "DELETE FROM t WHERE id IN (0, 4999, 5000)");
        Assert.Equal(5, result.DifferenceCount);
        Assert.Equal(
            [
                (RowDifferenceKind.ExtraAtDestination, "id -50"), (RowDifferenceKind.MissingAtDestination, "id 0"),
                (RowDifferenceKind.ExtraAtDestination, "id 7"), (RowDifferenceKind.MissingAtDestination, "id 4999"),
                (RowDifferenceKind.MissingAtDestination, "id 5000")
            ],
            result.Differences.Select(d => (d.Kind, d.Key)));
        Assert.Equal(5_049, result.SourceRows);
        Assert.Equal(5_048, result.DestinationRows);
    }

    [Fact]
    public async Task Should_count_all_differences_and_keep_the_first()
    {
        var result = await CompareAsync(Numbered, "SELECT 1", "TRUNCATE t");
        Assert.Equal(5_051, result.DifferenceCount);
        Assert.Equal(10, result.Differences.Count);
        Assert.Contains("and 5041 more", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_count_duplicates_of_a_table_without_key()
    {
        const string Keyless = "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (2, 'é')";
        Assert.True((await CompareAsync(Keyless, "SELECT 1", "SELECT 1")).Equal);
        var result = await CompareAsync(Keyless, "SELECT 1", "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE a = 1)");
        Assert.Equal(RowDifferenceKind.MissingAtDestination, Assert.Single(result.Differences).Kind);
    }

    [Fact]
    public async Task Should_follow_composite_text_keys_under_any_collation()
    {
        const string Rows = " (region text, no smallint, u uuid, v int, PRIMARY KEY (region, no, u)); "
            + "INSERT INTO t SELECT r, n, u::uuid, n FROM unnest(ARRAY['ä', 'a', 'Z', 'z', '_', '', 'a b', 'ab']) r, "
            + "generate_series(-3, 300, 7) n, unnest(ARRAY['00000000-0000-0000-0000-000000000001', "
            + "'ffffffff-0000-0000-0000-000000000000']) u";
        var same = await CompareAsync("CREATE TABLE t" + Rows, "SELECT 1", "ALTER TABLE t ALTER region TYPE text COLLATE \"C\"");
        Assert.True(same.Equal);
        var result = await CompareAsync(
            "CREATE TABLE t" + Rows, "SELECT 1",
            "DELETE FROM t WHERE region = 'ä' AND no = -3 AND u > '10000000-0000-0000-0000-000000000000'");
        Assert.Equal("region 'ä', no -3, u ffffffff-0000-0000-0000-000000000000", Assert.Single(result.Differences).Key);
    }

    [Fact]
    public async Task Should_compare_under_other_names_and_chosen_columns()
    {
        var pair = new TablePair("public", "Odd \"Name\"", "mart", "t") { Columns = [new("Key", "id"), new("b", "c")] };
        var result = await CompareAsync(
            "SELECT 1",
            "CREATE TABLE \"Odd \"\"Name\"\"\" (\"Key\" int PRIMARY KEY, a int, b text); INSERT INTO \"Odd \"\"Name\"\"\" VALUES (1, 2, 'x')",
            "CREATE SCHEMA mart; CREATE TABLE mart.t (id int PRIMARY KEY, c text, loaded_at timestamptz); INSERT INTO mart.t VALUES (1, 'x')",
            pair);
        Assert.True(result.Equal);
        Assert.Equal("public.\"Odd \"\"Name\"\"\" -> mart.t: equal, 1 rows", result.ToString());
    }

    [Theory]
    [InlineData("CREATE TABLE t (a int)", "SELECT 1", "the destination has no such table")]
    [InlineData("SELECT 1", "CREATE TABLE t (a int)", "the source has no such table")]
    [InlineData("CREATE TABLE t (a int, b int)", "CREATE TABLE t (a int)", "the destination has no column b")]
    public async Task Should_say_what_makes_tables_incomparable(string source, string destination, string problem)
    {
        var result = await CompareAsync("SELECT 1", source, destination);
        Assert.False(result.Equal);
        Assert.Equal(problem, result.Problem);
    }

    [Fact]
    public async Task Should_leave_out_generated_columns_and_read_rows_larger_than_the_buffer()
    {
        const string Wide = "CREATE TABLE t (id int PRIMARY KEY, big text, len int GENERATED ALWAYS AS (length(big)) STORED); "
            + "INSERT INTO t SELECT i, repeat(chr(64 + i), 3000000) FROM generate_series(1, 4) i";
        var result = await CompareAsync(Wide, "SELECT 1", "UPDATE t SET big = overlay(big placing 'x' from 2999999) WHERE id = 3");
        Assert.Equal("id 3", Assert.Single(result.Differences).Key);
        Assert.Equal("big", Assert.Single(result.Differences[0].Columns).Column);
    }

    [Fact]
    public async Task Should_wait_for_a_destination_that_catches_up()
    {
        var database = await servers.CreateDatabaseAsync();
        await servers.Source.ExecuteAsync(Numbered, database);
        await servers.Source.ExecuteAsync("CREATE TABLE other (a int)", database);
        await servers.Destination.ExecuteAsync("CREATE TABLE other (a int)", database);
        var source = servers.Source.ConnectionString(database);
        var destination = servers.Destination.ConnectionString(database);
        var tables = await TablePair.AllAsync(source);
        Assert.Equal(["public.other", "public.t"], tables.Select(t => t.ToString()));

        // Time for some comparisons on this machine as it is now.
        var watch = Stopwatch.StartNew();
        Assert.False((await DatabaseComparison.CompareAsync(source, destination, tables)).Equal);
        var deadline = watch.Elapsed * 5 + TimeSpan.FromMilliseconds(500);
        var error = await Assert.ThrowsAsync<TimeoutException>(
            () => DatabaseComparison.WaitForEqualityAsync(source, destination, tables, deadline));
        Assert.Contains("the destination has no such table", error.Message, StringComparison.Ordinal);

        var waiting = DatabaseComparison.WaitForEqualityAsync(source, destination, tables);
        await servers.Destination.ExecuteAsync(Numbered, database);
        Assert.True((await waiting).Equal);
    }
}
