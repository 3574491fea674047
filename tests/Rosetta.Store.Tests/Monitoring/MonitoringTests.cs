using Rosetta.Core.Positions;
using Rosetta.Store.Monitoring;
using Rosetta.Store.Runtime;
using Xunit;

namespace Rosetta.Store.Tests.Monitoring;

[Collection(nameof(StoreCollection))]
public sealed class MonitoringTests(StoreFixture fixture)
{
    static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task Should_keep_wal_metrics_for_the_stated_time()
    {
        await using var store = await fixture.NewStoreAsync();
        var source = await store.AddSourceAsync();
        var metrics = new WalMetricRepository(store.Database);
        await store.ExecuteAsync("INSERT INTO wal_metrics (source_id, wal_size_bytes, recorded_at) VALUES (@Id, 1, now() - interval '2 days')", new { source.Id });

        await metrics.AddAsync(source.Id, 1L << 40, [new SlotMetric("s", 7, true), new SlotMetric("t", null, false)], Day, CancellationToken.None);
        await metrics.AddAsync(4711, 1, [], Day, CancellationToken.None);

        var metric = Assert.Single(await metrics.ListAsync(source.Id, TimeSpan.FromDays(7), CancellationToken.None));
        Assert.Equal(1L << 40, metric.WalSizeBytes);
        Assert.Equal([new SlotMetric("s", 7, true), new SlotMetric("t", null, false)], metric.Slots.ToArray());
        Assert.Single(await metrics.ListAsync(null, TimeSpan.FromDays(7), CancellationToken.None));
    }

    [Fact]
    public async Task Should_count_a_notification_while_it_is_unread()
    {
        await using var store = await fixture.NewStoreAsync();
        var notifications = new NotificationRepository(store.Database);
        var raised = new NewNotification(NotificationSeverity.Warning, "slot:1", "The slot holds 1 GB", "Start the destination", 1);
        await notifications.RaiseAsync(raised, CancellationToken.None);
        await notifications.RaiseAsync(raised with { Message = "The slot holds 2 GB" }, CancellationToken.None);

        var page = await notifications.ListAsync(10, 0, CancellationToken.None);
        var notification = Assert.Single(page.Items);
        Assert.Equal((2, "The slot holds 2 GB", "warning"), (notification.Occurrences, notification.Message, notification.Severity));
        Assert.NotNull((await notifications.MarkReadAsync(notification.Id, CancellationToken.None))!.ReadAt);
        Assert.Null(await notifications.MarkReadAsync(4711, CancellationToken.None));
        await notifications.RaiseAsync(raised, CancellationToken.None);

        Assert.Equal(2, (await notifications.ListAsync(10, 0, CancellationToken.None)).Total);
    }

    [Fact]
    public async Task Should_add_up_rows_by_minute_and_refuse_an_older_epoch()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync();
        var (flows, epochs) = (new DataFlowRepository(store.Database), new EpochRepository(store.Database));
        var epoch = (await epochs.IssueAsync(pipeline.Id, "n", CancellationToken.None))!.Value;
        var minute = new DateTime(DateTime.UtcNow.Ticks / TimeSpan.TicksPerMinute * TimeSpan.TicksPerMinute, DateTimeKind.Utc);
        DataFlow[] flow = [new(minute.AddSeconds(1), 1, "public.a", 1, 2, 3), new(minute.AddSeconds(2), 1, "public.a", 10, 20, 30)];

        Assert.True(await flows.AddAsync(pipeline.Id, epoch, flow, CancellationToken.None));
        Assert.True(await flows.AddAsync(pipeline.Id, epoch, flow[..1], CancellationToken.None));
        await epochs.IssueAsync(pipeline.Id, "m", CancellationToken.None);
        Assert.False(await flows.AddAsync(pipeline.Id, epoch, flow, CancellationToken.None));

        Assert.Equal([new DataFlow(minute, 1, "public.a", 12, 24, 36)], (await flows.ListAsync(pipeline.Id, Day, CancellationToken.None)).ToArray());
        Assert.Equal(0, await flows.TrimAsync(Day, CancellationToken.None));
    }

    [Fact]
    public async Task Should_keep_the_schema_history_of_a_source()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync();
        var history = new SchemaHistoryRepository(store.Database);
        await history.AddAsync(pipeline.Source.Id, pipeline.Id, "public.a", new Lsn(5), "column added: n", ["n"], CancellationToken.None);
        await history.AddAsync(4711, null, "public.a", null, "nothing", [], CancellationToken.None);

        var page = await history.ListAsync(pipeline.Source.Id, 10, 0, CancellationToken.None);

        Assert.Equal((1, new Lsn(5), "n"), (page.Total, page.Items[0].Lsn!.Value, page.Items[0].Columns[0]!.GetValue<string>()));
    }
}
