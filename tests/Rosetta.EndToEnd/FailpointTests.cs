using Rosetta.Client;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>
/// A SIGKILL of the node's process at every named failpoint, one after the other, on one pipeline under load: each time the node is
/// started again and goes on; in the end everything is equal.
/// </summary>
public sealed class FailpointTests(ITestOutputHelper output) : IAsyncLifetime
{
    Installation _installation = null!;
    Followed _followed = null!;
    NodeProcess _node = null!;
    int _pipeline;

    public async Task InitializeAsync()
    {
        _installation = await Installation.StartAsync();
        _followed = await Followed.StartAsync(_installation, 500, o => o with { LargeTransactionRows = 60_000, LargeTransactionEvery = 400 });
    }

    public async Task DisposeAsync()
    {
        await _followed.DisposeAsync();
        await _installation.DisposeAsync();
    }

    [LongFact]
    public async Task Should_lose_and_double_nothing_when_killed_at_each_failpoint()
    {
        // Killed on the way from nothing to streaming: each start goes a step further.
        _node = await _installation.StartNodeAsync();
        _pipeline = await _installation.CreatePipelineAsync(_node.Api, start: false);
        await _node.KillAsync();
        await _installation.Config.ExecuteAsync("UPDATE pipelines SET status = 'START'", "rosetta");
        string[] first =
        [
            FailpointNames.EpochIssued, FailpointNames.PublicationMade, FailpointNames.SlotCreated, FailpointNames.SlotRecorded,
            FailpointNames.DestinationFenced, FailpointNames.CopyBegun, FailpointNames.CopyHalf, FailpointNames.CopyBeforeCommit,
            FailpointNames.CopyAfterCommit,
        ];
        foreach (var name in first)
            await DieAtAsync(name);

        // Under load.
        string[] streaming =
        [
            FailpointNames.ApplyBegun, FailpointNames.ApplyBeforePosition, FailpointNames.ApplyBeforeCommit, FailpointNames.ApplyAfterCommit,
            FailpointNames.ApplyOpenPiece, FailpointNames.AcknowledgeBeforeRecord, FailpointNames.AcknowledgeAfterRecord, FailpointNames.AcknowledgeSent,
        ];
        foreach (var name in streaming)
            await DieAtAsync(name);

        // A table that is copied again makes its lane catch up and join.
        foreach (var name in (string[])[FailpointNames.CatchUpSlotCopied, FailpointNames.LaneBoundarySet, FailpointNames.LaneJoined])
            await DieAtAsync(name, ResyncAsync);

        // A destination that hangs fills its lane's log.
        await DieAtAsync(FailpointNames.LaneDetached, async () =>
        {
            await Streaming();
            await _installation.Targets[1].FreezeAsync();
        }, new() { ["ROSETTA__PIPELINES__LANELOGBYTES"] = "65536" });
        await _installation.Targets[1].ThawAsync();

        // A change that one destination cannot take stops its table there.
        await _installation.Source.ExecuteAsync("CREATE TABLE public.refused (id int PRIMARY KEY, n int)", Installation.Database);
        await DieAtAsync(FailpointNames.TableStopRecorded, async () =>
        {
            await _node.Api.PostAsync($"pipelines/{_pipeline}/refresh");
            await Wait.UntilAsync(async () => await StateOf(0, "public.refused") == "STREAMING", "the new table to stream", Installation.Patience);
            await _installation.Targets[0].ExecuteAsync("ALTER TABLE public.refused ADD CHECK (n < 10)", Installation.Database);
            await _installation.Source.ExecuteAsync("INSERT INTO public.refused VALUES (1, 1), (2, 20)", Installation.Database);
        });

        // On the way down.
        foreach (var name in (string[])[FailpointNames.StopDraining, FailpointNames.StopReleased])
        {
            await DieAtAsync(name, async () =>
            {
                await Streaming();
                await _node.Api.PostAsync($"pipelines/{_pipeline}/pause");
            });
            await _installation.Config.ExecuteAsync("UPDATE pipelines SET status = 'START'", "rosetta");
        }

        await _node.StartAsync();
        await Wait.UntilAsync(async () => await StateOf(0, "public.refused") == "ERROR", "the refused table to be stopped", Installation.Patience);
        await _installation.Targets[0].ExecuteAsync("ALTER TABLE public.refused DROP CONSTRAINT refused_n_check", Installation.Database);
        var target = (await Installation.DestinationIdsAsync(_node.Api, _pipeline))[0];
        await _node.Api.PostAsync($"pipelines/{_pipeline}/destinations/{target}/tables/public.refused/resync");
        await _followed.AssertEqualAsync(_node.Api, _pipeline, TimeSpan.FromMinutes(4));
        for (var i = 0; i < 2; i++)
        {
            var refused = await DatabaseComparison.CompareAsync(
                _installation.SourceConnection, _installation.TargetConnection(i), [TablePair.Same("public", "refused")]);
            Assert.True(refused.Equal, refused.ToString());
        }

        // Nothing of an older incarnation is left at the source.
        Assert.Equal(1, await _installation.Source.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots WHERE NOT temporary"));
    }

    /// <summary>Starts the node so that it dies at the failpoint, does what leads there, and waits for its death.</summary>
    async Task DieAtAsync(string failpoint, Func<Task>? lead = null, Dictionary<string, string?>? environment = null)
    {
        environment ??= [];
        environment["ROSETTA_FAILPOINTS"] = $"{failpoint}=kill";
        await _node.StartAsync(waitUntilReady: lead is not null, environment);
        try
        {
            if (lead is not null)
                await lead();
        }
        catch (ApiException) when (_node.Process.HasExited)
        {
            // It died while it was being led there.
        }

        await _node.Process.WaitForExitAsync(TimeSpan.FromMinutes(3));
        Assert.Contains($"failpoint {failpoint}", _node.Process.OutputTail(400), StringComparison.Ordinal);
        output.WriteLine($"killed at {failpoint}");
    }

    async Task ResyncAsync()
    {
        await Streaming();
        var target = (await Installation.DestinationIdsAsync(_node.Api, _pipeline))[0];
        await _node.Api.PostAsync($"pipelines/{_pipeline}/destinations/{target}/tables/shop.items/resync");
    }

    Task Streaming() => Wait.UntilAsync(
        async () => (await Installation.PipelineAsync(_node.Api, _pipeline)).Destinations.All(d => d.Lane == "ATTACHED" && d.AppliedLsn is not null)
            || _node.Process.HasExited,
        "both lanes to be attached", Installation.Patience);

    async Task<string?> StateOf(int target, string table) =>
        (await Installation.PipelineAsync(_node.Api, _pipeline)).Destinations[target].Tables?.FirstOrDefault(t => t.Table == table)?.State;
}
