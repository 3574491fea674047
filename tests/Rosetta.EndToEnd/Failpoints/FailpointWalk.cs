using System.Diagnostics;
using Rosetta.Client;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd.Failpoints;

/// <summary>Leads one pipeline under load through every failpoint; at each the node dies.</summary>
sealed class FailpointWalk
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    /// <summary>On the way from nothing to streaming: each start goes a step further.</summary>
    static readonly string[] First =
    [
        FailpointNames.EpochIssued, FailpointNames.PublicationMade, FailpointNames.SlotCreated, FailpointNames.SlotRecorded,
        FailpointNames.DestinationFenced, FailpointNames.CopyBegun, FailpointNames.CopyHalf, FailpointNames.CopyBeforeCommit,
        FailpointNames.CopyAfterCommit,
    ];

    /// <summary>Any traffic leads there.</summary>
    static readonly string[] Streaming =
    [
        FailpointNames.ApplyBegun, FailpointNames.ApplyBeforePosition, FailpointNames.ApplyBeforeCommit, FailpointNames.ApplyAfterCommit,
        FailpointNames.AcknowledgeBeforeRecord, FailpointNames.AcknowledgeAfterRecord, FailpointNames.AcknowledgeSent,
    ];

    /// <summary>A table with a key is copied again beside the stream.</summary>
    static readonly string[] Chunks = [FailpointNames.ChunkStaged, FailpointNames.ChunkBeforeCommit, FailpointNames.ChunkAfterCommit];

    /// <summary>A table without a key that is copied again makes its lane catch up and join.</summary>
    static readonly string[] Joining = [FailpointNames.CatchUpSlotCopied, FailpointNames.LaneBoundarySet, FailpointNames.LaneJoined];

    static readonly string[] Stopping = [FailpointNames.StopDraining, FailpointNames.StopReleased];

    readonly Installation _installation;
    readonly IMortalNode _node;
    readonly Action<string> _log;
    readonly List<string> _diedAt = [];
    int _pipeline;
    DateTimeOffset _started;

    public FailpointWalk(Installation installation, IMortalNode node, Action<string> log)
    {
        _installation = installation;
        _node = node;
        _log = log;
    }

    /// <summary>Where the walk leads.</summary>
    public static IEnumerable<string> Failpoints =>
        [.. First, .. Streaming, FailpointNames.ApplyOpenPiece, .. Chunks, .. Joining, FailpointNames.LaneDetached, FailpointNames.TableStopRecorded, .. Stopping];

    public IReadOnlyList<string> DiedAt => _diedAt;

    public async Task RunAsync()
    {
        await SourceAsync(
            "CREATE TABLE public.large (id int PRIMARY KEY, t text); CREATE TABLE public.refused (id int PRIMARY KEY, n int); INSERT INTO public.refused VALUES (1, 1)");
        await using var followed = await Followed.StartAsync(_installation, 500);
        await _node.StartAsync(dieAt: null, waitUntilReady: true);
        _pipeline = await _installation.CreatePipelineAsync(_node.Api, start: false);
        await _node.KillAsync();
        await SetStatusAsync("START");

        foreach (var name in (string[])[.. First, .. Streaming])
            await DieAtAsync(name);
        await DieAtAsync(FailpointNames.ApplyOpenPiece, () => SourceAsync(
            "INSERT INTO public.large SELECT n, repeat(md5(n::text), 4) FROM generate_series(1, 60000) n"));
        foreach (var name in Chunks)
            await DieAtAsync(name, () => StreamThenAsync(ResyncDamagedAsync));
        foreach (var name in Joining)
            await DieAtAsync(name, () => StreamThenAsync(() => ResyncAsync("shop.events")));
        await DieAtDetachmentAsync();
        await DieAtTableStopAsync();
        foreach (var name in Stopping)
        {
            await DieAtAsync(name, () => StreamThenAsync(() => _node.Api.PostAsync($"pipelines/{_pipeline}/pause")));
            await SetStatusAsync("START");
        }

        await _node.StartAsync(dieAt: null, waitUntilReady: true);
        await MendStoppedTableAsync();
        await followed.AssertEqualAsync(_node.Api, _pipeline, TimeSpan.FromMinutes(4));
        for (var i = 0; i < _installation.Targets.Count; i++)
        {
            var others = await DatabaseComparison.CompareAsync(
                _installation.SourceConnection, _installation.TargetConnection(i), [TablePair.Same("public", "large"), TablePair.Same("public", "refused")]);
            Assert.True(others.Equal, others.ToString());
        }

        // Nothing of an older incarnation is left at the source.
        Assert.Equal(1, await _installation.Source.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots WHERE NOT temporary"));
    }

    /// <summary>Of what is equal, nothing is read in chunks.</summary>
    async Task ResyncDamagedAsync()
    {
        await _installation.Targets[0].ExecuteAsync("INSERT INTO public.large VALUES (-1, 'extra') ON CONFLICT DO NOTHING", Installation.Database);
        await ResyncAsync("public.large");
    }

    /// <summary>A destination that hangs fills its lane's log.</summary>
    async Task DieAtDetachmentAsync()
    {
        await DieAtAsync(
            FailpointNames.LaneDetached,
            () => StreamThenAsync(async () =>
            {
                await _installation.Targets[1].FreezeAsync();
                await SourceAsync("UPDATE public.large SET t = t || 'x' WHERE id % 10 = 0");
            }),
            new Dictionary<string, string?> { ["ROSETTA__PIPELINES__LANELOGBYTES"] = "65536" });
        await _installation.Targets[1].ThawAsync();
    }

    /// <summary>A table that is missing at one destination stops there.</summary>
    async Task DieAtTableStopAsync()
    {
        await DieAtAsync(FailpointNames.TableStopRecorded, () => StreamThenAsync(async () =>
        {
            await _installation.Targets[0].ExecuteAsync("ALTER TABLE public.refused RENAME TO aside", Installation.Database);
            await SourceAsync("INSERT INTO public.refused VALUES (2, 2), (3, 20)");
        }));
    }

    async Task MendStoppedTableAsync()
    {
        await WaitUntilAsync(p => p.Destinations[0].Tables?.Any(t => t is { Table: "public.refused", State: "ERROR" }) == true, "the refused table to be stopped");
        await _installation.Targets[0].ExecuteAsync("ALTER TABLE public.aside RENAME TO refused", Installation.Database);
        await ResyncAsync("public.refused");
    }

    /// <summary>Starts the node so that it dies at the failpoint, does what leads there, and waits for its death.</summary>
    async Task DieAtAsync(string failpoint, Func<Task>? lead = null, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var watch = Stopwatch.StartNew();
        _started = DateTimeOffset.UtcNow;
        await _node.StartAsync(failpoint, waitUntilReady: lead is not null, settings);
        try
        {
            if (lead is not null)
                await lead();
        }
        catch (Exception e) when (e is ApiException or HttpRequestException && _node.IsDead)
        {
            // It died while it was being led there.
        }

        await _node.WaitForDeathAsync(Deadline);
        _diedAt.Add(failpoint);
        _log($"died at {failpoint} after {watch.Elapsed.TotalSeconds:0.0} s");
    }

    /// <summary>This incarnation streams, not the one before, whose last report is shown until then.</summary>
    async Task StreamThenAsync(Func<Task> lead)
    {
        await WaitUntilAsync(
            p => p.Runtime.State is "RUNNING" or "DEGRADED" && p.Runtime.Since > _started && p.Destinations.All(d => d.Lane == "ATTACHED" && d.AppliedLsn is not null && d.Tables?.All(t => t.State is "STREAMING" or "ERROR") == true), "all to stream");
        // It went on with what an earlier one had begun and died of that: whatever was planted now would stay, since nobody could be asked to mend it.
        if (!_node.IsDead)
            await lead();
    }

    async Task ResyncAsync(string table)
    {
        var target = (await Installation.DestinationIdsAsync(_node.Api, _pipeline))[0];
        await _node.Api.PostAsync($"pipelines/{_pipeline}/destinations/{target}/tables/{table}/resync");
    }

    Task WaitUntilAsync(Func<Client.Answers.Pipeline, bool> condition, string what) => Wait.UntilAsync(
        async () => _node.IsDead || condition(await Installation.PipelineAsync(_node.Api, _pipeline)), what, Installation.Patience);

    Task<int> SourceAsync(string sql) => _installation.Source.ExecuteAsync(sql, Installation.Database);

    Task<int> SetStatusAsync(string status) => _installation.Config.ExecuteAsync($"UPDATE pipelines SET status = '{status}'", "rosetta");
}
