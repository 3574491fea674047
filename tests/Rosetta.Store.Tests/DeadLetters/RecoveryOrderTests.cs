using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Jobs;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;
using Xunit;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>Orders about parked changes, and the audit of what they did, in a real config database.</summary>
[Collection(nameof(StoreCollection))]
public sealed class RecoveryOrderTests(StoreFixture fixture) : IAsyncLifetime
{
    static readonly RecoveryRequest All = new(RecoveryKind.Recover);

    StoreUnderTest _config = null!;
    RecoveryOrderRepository _orders = null!;
    DeadLetterAudit _audit = null!;
    DeadLetterQueue _queue = null!;
    long _epoch;

    public async Task InitializeAsync()
    {
        _config = await fixture.NewStoreAsync();
        _orders = new RecoveryOrderRepository(_config.Database);
        _audit = new DeadLetterAudit(_config.Database);
        var pipeline = await _config.AddPipelineAsync("pipeline");
        _queue = new DeadLetterQueue(pipeline.Source.Id, pipeline.Id, pipeline.Destinations[0].Destination.Id, Guid.NewGuid());
        _epoch = await IssueAsync();
    }

    public async Task DisposeAsync() => await _config.DisposeAsync();

    async Task<long> IssueAsync() => (await new EpochRepository(_config.Database).IssueAsync(_queue.PipelineId, null, default))!.Value;

    async Task<RecoveryOrder> AddAsync(RecoveryRequest request) => StoreUnderTest.Value(await _orders.AddAsync(_queue.PipelineId, _queue.DestinationId, request, "me", default));

    async Task<RecoveryOrder> FindAsync(RecoveryOrder order) => (await _orders.FindAsync(_queue.PipelineId, _queue.DestinationId, order.Id, default))!;

    async Task StartAsync() => StoreUnderTest.Value(await _config.Pipelines.SetStatusAsync(_queue.PipelineId, PipelineStatus.Start, default));

    [Fact]
    public async Task Should_give_back_what_was_ordered()
    {
        var edited = new Dictionary<string, string?> { ["v \"odd\""] = "größer \\ '", ["w"] = null };
        RecoveryRequest[] requests =
        [
            All, new(RecoveryKind.Recover, "public.orders", ErrorClass.Operator), new(RecoveryKind.Retry, Entry: "1A-3", Edited: edited, DryRun: true),
            new(RecoveryKind.Discard, "sales.\"a.b\"", Reason: "because"),
        ];
        foreach (var request in requests)
        {
            var order = await FindAsync(await AddAsync(request));
            Assert.Equal(("PENDING", "me", request), (order.Status, order.RequestedBy, order.Request with { Edited = request.Edited }));
            Assert.Equal(request.Edited, order.Request.Edited);
        }

        Assert.Equal(requests.Select(r => r.Kind), (await _orders.OpenAsync(_queue.PipelineId, default)).Select(o => o.Request.Kind));
        Assert.Contains(_queue.PipelineId, await new PipelineRequestRepository(_config.Database).PipelinesWithOpenAsync(default));
        Assert.Null(await _orders.FindAsync(_queue.PipelineId, _queue.DestinationId + 1, (await AddAsync(All)).Id, default));
    }

    [Fact]
    public async Task Should_be_written_by_the_newest_incarnation_alone_until_it_has_ended()
    {
        await StartAsync();
        var order = await AddAsync(All);
        Assert.Equal("EXECUTING", (await _orders.BeginAsync(order, _epoch, default))!.Status);
        Assert.True(await _orders.SaveAsync(order with { Status = "EXECUTING", Counts = new RecoveryCounts(3, 1, 5, 2) }, _epoch, default));
        await _orders.NoteAtHandAsync(order, 9, _epoch, default);
        var newer = await IssueAsync();

        await Assert.ThrowsAsync<FencedException>(() => _orders.BeginAsync(order, _epoch, default));
        await Assert.ThrowsAsync<FencedException>(() => _orders.NoteAtHandAsync(order, 1, _epoch, default));
        Assert.False(await _orders.SaveAsync(order with { Status = "COMPLETED" }, _epoch, default));

        // The next one finds what the first has done.
        var again = (await _orders.BeginAsync(order, newer, default))!;
        Assert.Equal((new RecoveryCounts(3, 1, 5, 2), 9), (again.Counts, again.AtHand));
        Assert.True(await _orders.SaveAsync(order with { Status = "COMPLETED", Counts = new RecoveryCounts(8), Result = """{"a": 1}""" }, newer, default));
        Assert.True(await _orders.SaveAsync(order with { Status = "FAILED" }, newer, default));
        Assert.Equal(("COMPLETED", 8, """{"a": 1}"""), ((await FindAsync(order)).Status, (await FindAsync(order)).Counts.Recovered, (await FindAsync(order)).Result));
        Assert.Null(await _orders.BeginAsync(order, newer, default));
        Assert.Empty(await _orders.OpenAsync(_queue.PipelineId, default));
    }

    [Fact]
    public async Task Should_end_at_once_when_it_is_called_off_before_it_has_begun_and_otherwise_be_told()
    {
        await StartAsync();
        var (waiting, running) = (await AddAsync(All), await AddAsync(All));
        await _orders.BeginAsync(running, _epoch, default);
        Assert.Equal("CANCELLED", (await _orders.CancelAsync(_queue.PipelineId, _queue.DestinationId, waiting.Id, default))!.Status);
        Assert.Null(await _orders.BeginAsync(waiting, _epoch, default));
        Assert.Null(await _orders.CancelAsync(_queue.PipelineId, _queue.DestinationId, waiting.Id, default));
        var told = (await _orders.CancelAsync(_queue.PipelineId, _queue.DestinationId, running.Id, default))!;
        Assert.Equal(("EXECUTING", true), (told.Status, told.IsCancelRequested));
        // Not begun anew by the next incarnation either.
        Assert.Null(await _orders.BeginAsync(running, _epoch, default));
        Assert.True(await _orders.SaveAsync(told with { Status = "CANCELLED" }, _epoch, default));
        Assert.Equal("CANCELLED", (await FindAsync(running)).Status);
    }

    [Fact]
    public async Task Should_wait_while_its_pipeline_rests()
    {
        var order = await AddAsync(All);
        await _orders.BeginAsync(order, _epoch, default);
        await _orders.SuspendAsync(_queue.PipelineId, _epoch, default);
        Assert.Equal("PENDING", (await FindAsync(order)).Status);
    }

    [Fact]
    public async Task Should_keep_in_the_audit_what_was_done_and_take_back_what_was_not()
    {
        var order = await AddAsync(new RecoveryRequest(RecoveryKind.Discard, "public.t", Reason: "größer"));
        DeadLetter[] letters = [Letters.Of(1, 10), Letters.Of(2, 20)];
        var at = (Core.Positions.Position[])[Letters.At(1), Letters.At(2), Letters.At(3)];
        for (var i = 0; i < 2; i++)
            await _audit.BeginDiscardAsync(_queue, _epoch, order, Letters.Table, at, letters, default);
        Assert.Equal(at, (await _audit.OpenAsync(_queue, default)).Select(o => o.At));
        Assert.Empty(await _audit.OpenAsync(_queue with { Generation = Guid.NewGuid() }, default));
        Assert.Equal(0, await _audit.CountAsync(order.Id, default));
        var edit = await AddAsync(new RecoveryRequest(RecoveryKind.Retry, Entry: "4-0"));
        await _audit.BeginEditAsync(_queue, _epoch, edit, Letters.Of(4, 5), new byte[] { 7, 0, 8 }, default);
        Assert.Equal([7, 0, 8], Assert.Single(await _audit.OpenAsync(_queue, default), o => o.IsEdit).Edited!);

        await _audit.EndAsync(_queue, _epoch, order.Id, Letters.Table, at[..2], at[2..], default);
        Assert.Equal((2, edit.Id), (await _audit.CountAsync(order.Id, default), Assert.Single(await _audit.OpenAsync(_queue, default)).RunId));
        Assert.Equal(
            "1 INSERT [\"1\"] 10 DATA 23514 größer me, 2 INSERT [\"1\"] 20 DATA 23514 größer me",
            await _config.ScalarAsync<string>(
                "SELECT string_agg(concat_ws(' ', commit_lsn - '0/0', kind, key, octet_length(payload), error_class, sqlstate, reason, requested_by), ', ' ORDER BY commit_lsn) FROM dead_letter_audit WHERE action = 'DISCARD'"));
        // Nothing of it goes, whatever is done with the pipeline.
        await _config.ExecuteAsync("DELETE FROM pipelines");
        Assert.Equal(3, await _config.ScalarAsync<long>("SELECT count(*) FROM dead_letter_audit"));
    }

    [Fact]
    public async Task Should_refuse_records_of_an_older_incarnation()
    {
        var order = await AddAsync(new RecoveryRequest(RecoveryKind.Discard, "public.t", Reason: "x"));
        await _audit.BeginDiscardAsync(_queue, _epoch, order, Letters.Table, [Letters.At(1)], [], default);
        var newer = await IssueAsync();
        await Assert.ThrowsAsync<FencedException>(() => _audit.BeginDiscardAsync(_queue, _epoch, order, Letters.Table, [Letters.At(2)], [], default));
        await Assert.ThrowsAsync<FencedException>(() => _audit.BeginEditAsync(_queue, _epoch, order, Letters.Of(3, 1), default, default));
        await Assert.ThrowsAsync<FencedException>(() => _audit.EndAsync(_queue, _epoch, order.Id, Letters.Table, [Letters.At(1)], [], default));
        Assert.Equal(Letters.At(1), Assert.Single(await _audit.OpenAsync(_queue, default)).At);
        await _audit.EndAsync(_queue, newer, order.Id, Letters.Table, [], [Letters.At(1)], default);
        Assert.Empty(await _audit.OpenAsync(_queue, default));
    }
}
