using System.Diagnostics;
using Npgsql;
using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Copies that keep to the limits of their pipeline, and say how they go.</summary>
public sealed class CopyLimitTests(ITestOutputHelper output)
{
    const int Rows = 60_000;
    const int PerSecond = 10_000;

    [Fact]
    public async Task Should_copy_no_faster_than_told_and_wait_while_the_source_is_busy()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        await installation.Source.ExecuteAsync("ANALYZE", Installation.Database);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?>
        {
            ["ROSETTA__PIPELINES__COPYROWS"] = $"{PerSecond}", ["ROSETTA__PIPELINES__COPYSOURCEBACKENDS"] = "2", ["ROSETTA__PIPELINES__RANGEDFROM"] = "1000000",
        });
        var watch = Stopwatch.StartNew();
        var pipeline = await installation.CreatePipelineAsync(node.Api);

        var moving = await WaitForAsync(node, pipeline, t => t is { State: "SNAPSHOTTING", SnapshotRowsPerSecond: > 0, SnapshotSecondsLeft: > 0 }, "progress of the copy");
        output.WriteLine($"{moving.SnapshotRows} of {moving.SnapshotRowsEstimated}, {moving.SnapshotBytes} bytes, {moving.SnapshotRowsPerSecond} rows/s, {moving.SnapshotSecondsLeft} s left");
        Assert.True(moving.SnapshotBytes > 0);
        Assert.InRange(moving.SnapshotRowsPerSecond!.Value, 1, PerSecond * 2);

        var busy = new List<NpgsqlConnection>();
        var work = new List<Task>();
        for (var i = 0; i < 4; i++)
        {
            busy.Add(await installation.Source.OpenAsync(Installation.Database));
            work.Add(new NpgsqlCommand("SELECT pg_sleep(600)", busy[i]) { CommandTimeout = 0 }.ExecuteNonQueryAsync());
        }

        var waiting = await WaitForAsync(node, pipeline, t => t is { SnapshotWaitsFor: not null }, "the copy to wait");
        output.WriteLine(waiting.SnapshotWaitsFor!);
        Assert.Contains("CopySourceBackends", waiting.SnapshotWaitsFor, StringComparison.Ordinal);
        Assert.Equal("SNAPSHOTTING", waiting.State);

        await installation.Source.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%'", Installation.Database);
        foreach (var task in work)
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => task);
        foreach (var connection in busy)
            await connection.DisposeAsync();
        var done = await WaitForAsync(node, pipeline, t => t is { State: "STREAMING" }, "the table to stream");
        Assert.Null(done.SnapshotWaitsFor);
        Assert.True(watch.Elapsed.TotalSeconds > Rows / PerSecond - 1, $"{Rows} rows came in {watch.Elapsed}");
        await table.AssertEqualAsync(installation);
    }

    static async Task<DestinationTable> WaitForAsync(NodeProcess node, int pipeline, Func<DestinationTable, bool> fits, string what)
    {
        DestinationTable? found = null;
        await Wait.UntilAsync(
            async () =>
            {
                found = (await Installation.PipelineAsync(node.Api, pipeline)).Destinations.SelectMany(d => d.Tables ?? []).FirstOrDefault(t => t.Table == LargeTable.Name);
                return found is not null && fits(found);
            },
            what, Installation.Patience);
        return found!;
    }
}
