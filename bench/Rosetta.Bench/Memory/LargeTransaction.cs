using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Memory;

/// <summary>
/// One transaction of many rows. Whether it is applied as it arrives shows in the size of its table at the first target, which grows before anything of it
/// is visible.
/// </summary>
sealed class LargeTransaction(BenchDatabases databases, long rows)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <returns>What was seen, in words.</returns>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        await using var watcher = await BenchDatabases.WatchAsync(databases.Targets[0], BenchDatabases.RosettaDatabase, cancellationToken);
        await using var size = new NpgsqlCommand("SELECT pg_relation_size('items')", watcher);
        await using var visible = new NpgsqlCommand("SELECT exists(SELECT FROM items WHERE id = 1000000001)", watcher);
        var before = (long)(await size.ExecuteScalarAsync(cancellationToken))!;
        await databases.ExecuteAtSourceAsync(
            $"INSERT INTO items {BenchTables.MixedRows("1000000001::bigint", (1_000_000_000 + rows).ToString(CultureInfo.InvariantCulture))}", cancellationToken);
        var committed = Stopwatch.GetTimestamp();

        var sizes = new List<(double At, long Bytes)>();
        while (!(bool)(await visible.ExecuteScalarAsync(cancellationToken))!)
        {
            sizes.Add((Stopwatch.GetElapsedTime(committed).TotalSeconds, (long)(await size.ExecuteScalarAsync(cancellationToken))! - before));
            await Task.Delay(Pause, cancellationToken);
        }

        var end = Stopwatch.GetElapsedTime(committed).TotalSeconds;
        var whole = (long)(await size.ExecuteScalarAsync(cancellationToken))! - before;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"after the commit: first rows in the target's table {When(0)}, a quarter {When(whole / 4)}, half {When(whole / 2)}, visible at {end:F1} s");

        string When(long more) => sizes.FirstOrDefault(s => s.Bytes > more) is (> 0, _) found
            ? string.Create(CultureInfo.InvariantCulture, $"at {found.At:F1} s")
            : "not before the end";
    }
}
