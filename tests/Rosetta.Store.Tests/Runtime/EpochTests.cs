using System.Text.Json;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;
using Xunit;

namespace Rosetta.Store.Tests.Runtime;

[Collection(nameof(StoreCollection))]
public sealed class EpochTests(StoreFixture fixture)
{
    [Fact]
    public async Task Should_only_grow_when_many_nodes_ask_at_once()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync();
        var epochs = new EpochRepository(store.Database);

        var issued = await Task.WhenAll(Enumerable.Range(0, 8).Select(node => Task.Run(async () =>
        {
            var mine = new List<long>();
            for (var i = 0; i < 25; i++) mine.Add((await epochs.IssueAsync(pipeline.Id, $"node {node}", CancellationToken.None))!.Value);
            return mine;
        })));

        Assert.All(issued, mine => Assert.Equal(mine.Order(), mine));
        Assert.Equal(200, issued.SelectMany(e => e).Distinct().Count());
        Assert.Equal(201, await epochs.IssueAsync(pipeline.Id, null, CancellationToken.None));
    }

    /// <summary>It froze, or its machine is gone; its server would wait for it for ever.</summary>
    [Fact]
    public async Task Should_issue_one_though_another_node_froze_in_a_transaction()
    {
        var url = await fixture.NewDatabaseAsync();
        await using var store = await StoreUnderTest.OpenAsync(url);
        var pipeline = await store.AddPipelineAsync();
        var epochs = new EpochRepository(store.Database);
        var older = (await epochs.IssueAsync(pipeline.Id, "older", CancellationToken.None))!.Value;
        await using var frozen = new ConfigDatabase($"{url};Options=-c idle_in_transaction_session_timeout=300", NullLogger<ConfigDatabase>.Instance);
        TaskCompletionSource holds = new(), thaws = new();
        var writes = frozen.TransactAsync(
            async (connection, transaction) =>
            {
                await connection.ExecuteAsync("SELECT FROM pipeline_epochs WHERE epoch = @older FOR SHARE", new { older }, transaction);
                holds.SetResult();
                await thaws.Task;
                return await connection.ExecuteAsync("UPDATE pipelines SET name = 'written'", transaction: transaction);
            },
            CancellationToken.None);
        await holds.Task;

        Assert.Equal(older + 1, await epochs.IssueAsync(pipeline.Id, "newer", CancellationToken.None));

        thaws.SetResult();
        await Assert.ThrowsAsync<ConfigDatabaseUnavailableException>(() => writes);
        Assert.NotEqual("written", await store.ScalarAsync<string>("SELECT name FROM pipelines"));
    }

    [Theory]
    [InlineData("", "10s")]
    [InlineData(";Options=-c work_mem=5MB", "10s")]
    [InlineData(";Options=-c idle_in_transaction_session_timeout=7s", "7s")]
    public async Task Should_let_no_transaction_be_left_open_for_longer_than_the_url_says_or_ten_seconds(string options, string timeout)
    {
        await using var database = new ConfigDatabase(await fixture.NewDatabaseAsync() + options, NullLogger<ConfigDatabase>.Instance);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        Assert.Equal(timeout, await connection.ExecuteScalarAsync<string>("SHOW idle_in_transaction_session_timeout"));
        if (options.Contains("work_mem", StringComparison.Ordinal))
            Assert.Equal("5MB", await connection.ExecuteScalarAsync<string>("SHOW work_mem"));
    }

    [Fact]
    public async Task Should_issue_none_for_a_pipeline_that_is_gone()
    {
        await using var store = await fixture.NewStoreAsync();

        Assert.Null(await new EpochRepository(store.Database).IssueAsync(4711, "node", CancellationToken.None));
    }

    [Fact]
    public async Task Should_refuse_every_record_of_an_older_incarnation()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync(destinations: 2);
        var (epochs, slots, reports) = (new EpochRepository(store.Database), new SlotRecordRepository(store.Database), new PipelineReportRepository(store.Database));
        var older = (await epochs.IssueAsync(pipeline.Id, "older", CancellationToken.None))!.Value;
        var record = Record(pipeline.Id);
        Assert.True(await slots.SaveAsync(older, record, CancellationToken.None));
        var rested = pipeline.Destinations.Select(d => new RestedOn(d.Destination.Id, d.Generation, new Lsn(100))).ToArray();
        Assert.True(await slots.RecordAcknowledgementAsync(pipeline.Id, older, new Lsn(100), rested, CancellationToken.None));
        Assert.True(await reports.SaveAsync(Report(pipeline.Id, older), CancellationToken.None));

        var newer = (await epochs.IssueAsync(pipeline.Id, "newer", CancellationToken.None))!.Value;

        Assert.False(await slots.RecordAcknowledgementAsync(pipeline.Id, older, new Lsn(200), rested, CancellationToken.None));
        Assert.False(await slots.SaveAsync(older, record with { SlotName = "stolen" }, CancellationToken.None));
        Assert.False(await slots.SavePublicationAsync(pipeline.Id, older, """{"a": 1}""", CancellationToken.None));
        Assert.False(await slots.ForgetAsync(pipeline.Id, older, CancellationToken.None));
        Assert.False(await reports.SaveAsync(Report(pipeline.Id, older) with { State = PipelineState.Error }, CancellationToken.None));
        Assert.Null(await store.Attachments.RenewGenerationsAsync(pipeline.Id, older, null, CancellationToken.None));
        var found = await slots.FindAsync(pipeline.Id, CancellationToken.None);
        Assert.Equal(("slot", new Lsn(100)), (found!.SlotName, found.AcknowledgedLsn!.Value));
        Assert.Equal(rested, found.RestedOn);
        Assert.Equal("RUNNING", await store.ScalarAsync<string>("SELECT state FROM pipeline_runtime"));
        Assert.True(await slots.RecordAcknowledgementAsync(pipeline.Id, newer, new Lsn(300), rested[..1], CancellationToken.None));
        Assert.Equal(rested[..1], (await slots.FindAsync(pipeline.Id, CancellationToken.None))!.RestedOn);
    }

    [Fact]
    public async Task Should_never_let_an_older_acknowledgement_appear_after_a_newer_epoch_was_issued()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync();
        var (epochs, slots) = (new EpochRepository(store.Database), new SlotRecordRepository(store.Database));
        var first = (await epochs.IssueAsync(pipeline.Id, "first", CancellationToken.None))!.Value;
        await slots.SaveAsync(first, Record(pipeline.Id), CancellationToken.None);

        // An incarnation acknowledges as fast as it can until it is refused; meanwhile others take over.
        var acknowledging = Task.Run(async () =>
        {
            for (ulong lsn = 1; ; lsn++)
                if (!await slots.RecordAcknowledgementAsync(pipeline.Id, first, new Lsn(lsn), [], CancellationToken.None)) return lsn - 1;
        });
        await Task.Yield();
        await epochs.IssueAsync(pipeline.Id, "second", CancellationToken.None);
        var atTakeOver = (await slots.FindAsync(pipeline.Id, CancellationToken.None))!.AcknowledgedLsn;
        var last = await acknowledging;

        Assert.Equal(last, atTakeOver?.Value ?? 0);
        Assert.Equal(atTakeOver, (await slots.FindAsync(pipeline.Id, CancellationToken.None))!.AcknowledgedLsn);
    }

    [Fact]
    public async Task Should_save_a_report_as_a_whole_and_give_it_back()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync(destinations: 2);
        var reports = new PipelineReportRepository(store.Database);
        var statuses = new PipelineStatusRepository(store.Database);
        var epoch = (await new EpochRepository(store.Database).IssueAsync(pipeline.Id, "n", CancellationToken.None))!.Value;
        var (first, second) = (pipeline.Destinations[0].Destination.Id, pipeline.Destinations[1].Destination.Id);
        var now = DateTimeOffset.UtcNow;
        var tables = new[]
        {
            new TableReport(new("public", "o\"rders; DROP"), new("sales", "größe"), TableState.Streaming, 10, 12, 1, 2, 3, null, null),
            new TableReport(new("public", "bad"), null, TableState.Error, 0, null, 0, 0, 0, "no \0 such column", "ALTER TABLE ..."),
        };
        var report = Report(pipeline.Id, epoch) with
        {
            Destinations =
            [
                new DestinationReport(first, DestinationHealth.Healthy, LaneState.CatchingUp, 5, new Lsn(0x1_0000_0001), 7, 0.5, now, null, null, tables) { DlqCount = 12 },
                new DestinationReport(second, DestinationHealth.Retrying, LaneState.Detached, null, null, null, null, null, "refused", "start it", null),
                new DestinationReport(987654, DestinationHealth.Healthy, LaneState.Attached, null, null, null, null, null, null, null, []),
            ],
        };

        Assert.True(await reports.SaveAsync(report, CancellationToken.None));
        // The next one does not know the position and has lost a table.
        Assert.True(await reports.SaveAsync(
            report with { Destinations = [report.Destinations[0] with { AppliedLsn = null, LastSuccessTime = null, DlqCount = null, Tables = tables[..1] }] }, CancellationToken.None));

        var view = (await statuses.ReadAsync([pipeline.Id, 4711], CancellationToken.None))[pipeline.Id];
        Assert.Equal(("RUNNING", "node", new Lsn(2)), (view.Runtime!.State, view.Runtime.Node, view.Runtime.ReceivedLsn!.Value));
        Assert.Equal([first, second], view.Destinations.Keys.Order());
        var destination = view.Destinations[first];
        Assert.Equal(("HEALTHY", "CATCHING_UP", new Lsn(0x1_0000_0001)), (destination.HealthStatus, destination.Lane, destination.AppliedLsn!.Value));
        Assert.NotNull(destination.LastSuccessTime);
        Assert.Equal((12, 0), (destination.DlqCount, view.Destinations[second].DlqCount));
        var table = Assert.Single(destination.Tables);
        Assert.Equal(("public.\"o\"\"rders; DROP\"", "sales.größe", "STREAMING", 3), (table.TableName, table.Target!, table.State, table.RowsDeleted));
        Assert.Equal("start it", view.Destinations[second].Remedy);
    }

    [Fact]
    public async Task Should_give_new_generations_and_forget_progress_when_a_pipeline_is_resynced()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync(destinations: 2);
        var epoch = (await new EpochRepository(store.Database).IssueAsync(pipeline.Id, "n", CancellationToken.None))!.Value;
        var slots = new SlotRecordRepository(store.Database);
        await slots.SaveAsync(
            epoch, Record(pipeline.Id) with { RestedOn = [.. pipeline.Destinations.Select(d => new RestedOn(d.Destination.Id, d.Generation, new Lsn(9)))] },
            CancellationToken.None);
        var resynced = pipeline.Destinations[0].Destination.Id;

        var renewed = await store.Attachments.RenewGenerationsAsync(pipeline.Id, epoch, [resynced], CancellationToken.None);

        Assert.Equal([resynced], renewed!.Keys);
        var after = await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None);
        Assert.Equal(renewed[resynced], after!.Destinations[0].Generation);
        Assert.NotEqual(pipeline.Destinations[0].Generation, after.Destinations[0].Generation);
        Assert.Equal(pipeline.Destinations[1].Generation, after.Destinations[1].Generation);
        Assert.Equal([pipeline.Destinations[1].Destination.Id], (await slots.FindAsync(pipeline.Id, CancellationToken.None))!.RestedOn.Select(r => r.DestinationId));
        Assert.True(after.ConfigVersion > pipeline.ConfigVersion);
    }

    static SlotRecord Record(long pipelineId) => new(
        pipelineId, "slot", "7300000000000000001", 1, new Lsn(42), JsonSerializer.Serialize(new { plugin = "pgoutput" }), "{}", null, []);

    static PipelineReport Report(long pipelineId, long epoch) => new(
        pipelineId, epoch, PipelineState.Running, "node", DateTimeOffset.UtcNow, 0, null, null, "slot", new Lsn(2), new Lsn(1), 0, []);
}
