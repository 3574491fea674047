using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;
using Xunit;

namespace Rosetta.Store.Tests.Pipelines;

[Collection(nameof(StoreCollection))]
public sealed class PipelineRepositoryTests(StoreFixture fixture)
{
    const string Odd = "o'b\"c; DROP TABLE sources; -- \\ größe 表 %s {0} $1 @x :y";

    [Fact]
    public async Task Should_keep_every_name_as_it_is()
    {
        await using var store = await fixture.NewStoreAsync();
        var source = await store.AddSourceAsync(Odd, Odd);
        var destination = await store.AddDestinationAsync(Odd);
        var pipeline = StoreUnderTest.Value(await store.Pipelines.AddAsync(Odd, source.Id, CancellationToken.None));
        TableSync[] tables = [new($"public.{Odd}", $"sales.{Odd}", [Odd, "b"]), new("sales.*", Enabled: false)];

        StoreUnderTest.Value(await store.Attachments.AttachAsync(pipeline.Id, destination.Id, SnapshotChoice.None, tables, CancellationToken.None));

        var read = (await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None))!;
        Assert.Equal((Odd, Odd, Odd, Odd), (read.Name, read.Source.Name, read.Source.Password.Value!, read.Destinations[0].Destination.Name));
        Assert.Equal(SnapshotChoice.None, read.Destinations[0].Snapshot);
        Assert.Equal(tables[0] with { Columns = null }, read.Destinations[0].TableSyncs[0] with { Columns = null });
        Assert.Equal([Odd, "b"], read.Destinations[0].TableSyncs[0].Columns!.Value.ToArray());
        Assert.Equal(tables[1], read.Destinations[0].TableSyncs[1]);
        Assert.NotEqual(Guid.Empty, read.Destinations[0].Generation);
        Assert.Equal(read.Source, await store.Sources.FindAsync(source.Id, CancellationToken.None));
    }

    [Fact]
    public async Task Should_say_what_stands_in_the_way()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync("p");
        var (sourceId, destinationId) = (pipeline.Source.Id, pipeline.Destinations[0].Destination.Id);

        await RefusedAsync(StoreOutcome.NameTaken, store.Pipelines.AddAsync("p", sourceId, CancellationToken.None));
        await RefusedAsync(StoreOutcome.NameTaken, store.Sources.AddAsync(new NewSource("source of p", "h", 1, "d", "u", new Secret(null)), CancellationToken.None));
        await RefusedAsync(StoreOutcome.UnknownReference, store.Pipelines.AddAsync("q", 4711, CancellationToken.None));
        await RefusedAsync(StoreOutcome.StillReferenced, store.Sources.DeleteAsync(sourceId, CancellationToken.None));
        await RefusedAsync(StoreOutcome.StillReferenced, store.Destinations.DeleteAsync(destinationId, CancellationToken.None));
        await RefusedAsync(StoreOutcome.NotFound, store.Destinations.DeleteAsync(4711, CancellationToken.None));
        await RefusedAsync(StoreOutcome.NotFound, store.Pipelines.SetStatusAsync(4711, PipelineStatus.Start, CancellationToken.None));
        await RefusedAsync(StoreOutcome.Invalid, store.Sources.ChangeAsync(sourceId, new SourceChange(ReplicationName: "Not A Slot"), CancellationToken.None));
        await RefusedAsync(StoreOutcome.NameTaken, store.Attachments.AttachAsync(pipeline.Id, destinationId, SnapshotChoice.Initial, [], CancellationToken.None));
        await RefusedAsync(
            StoreOutcome.UnknownReference, store.Attachments.AttachAsync(pipeline.Id, 4711, SnapshotChoice.Initial, [], CancellationToken.None));
        await RefusedAsync(StoreOutcome.IllegalState, store.Pipelines.ChangeAsync(pipeline.Id, null, 4711, CancellationToken.None));
    }

    [Fact]
    public async Task Should_hold_the_configuration_of_a_started_pipeline()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync("p");
        var (source, destination) = (pipeline.Source, pipeline.Destinations[0].Destination);
        StoreUnderTest.Value(await store.Pipelines.SetStatusAsync(pipeline.Id, PipelineStatus.Start, CancellationToken.None));
        StoreUnderTest.Value(await store.Pipelines.SetStatusAsync(pipeline.Id, PipelineStatus.Start, CancellationToken.None));

        await RefusedAsync(StoreOutcome.IllegalState, store.Sources.ChangeAsync(source.Id, new SourceChange(Host: "elsewhere"), CancellationToken.None));
        await RefusedAsync(
            StoreOutcome.IllegalState, store.Destinations.ChangeAsync(destination.Id, new DestinationChange(Config: new() { ["host"] = "x" }), CancellationToken.None));
        await RefusedAsync(StoreOutcome.IllegalState, store.Attachments.DetachAsync(pipeline.Id, destination.Id, CancellationToken.None));
        await RefusedAsync(StoreOutcome.IllegalState, store.Pipelines.DeleteAsync(pipeline.Id, CancellationToken.None));

        // What changes nothing, or only a name, is no matter.
        StoreUnderTest.Value(await store.Sources.ChangeAsync(source.Id, new SourceChange(Name: "renamed", Host: source.Host), CancellationToken.None));
        StoreUnderTest.Value(await store.Destinations.ChangeAsync(
            destination.Id, new DestinationChange("renamed too", new() { ["password"] = "pw" }), CancellationToken.None));
        var version = (await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None))!.ConfigVersion;
        var same = StoreUnderTest.Value(await store.Attachments.ReplaceTableSyncsAsync(pipeline.Id, destination.Id, [], CancellationToken.None));
        Assert.Equal(version, same.ConfigVersion);
        // Which tables there are may change while it runs.
        var changed = StoreUnderTest.Value(await store.Attachments.ReplaceTableSyncsAsync(pipeline.Id, destination.Id, [new("a.b")], CancellationToken.None));
        Assert.True(changed.ConfigVersion > version);
        var second = await store.AddDestinationAsync("second");
        StoreUnderTest.Value(await store.Attachments.AttachAsync(pipeline.Id, second.Id, SnapshotChoice.Initial, [], CancellationToken.None));
        StoreUnderTest.Value(await store.Attachments.DetachAsync(pipeline.Id, destination.Id, CancellationToken.None));

        StoreUnderTest.Value(await store.Pipelines.SetStatusAsync(pipeline.Id, PipelineStatus.Pause, CancellationToken.None));
        StoreUnderTest.Value(await store.Sources.ChangeAsync(source.Id, new SourceChange(Host: "elsewhere"), CancellationToken.None));
        StoreUnderTest.Value(await store.Pipelines.DeleteAsync(pipeline.Id, CancellationToken.None));
        Assert.Null(await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None));
    }

    [Fact]
    public async Task Should_keep_absent_fields_and_secrets_when_changing()
    {
        await using var store = await fixture.NewStoreAsync();
        var source = await store.AddSourceAsync();
        var destination = await store.AddDestinationAsync();

        var changedSource = StoreUnderTest.Value(await store.Sources.ChangeAsync(source.Id, new SourceChange(Port: 5433), CancellationToken.None));
        var changed = StoreUnderTest.Value(
            await store.Destinations.ChangeAsync(destination.Id, new DestinationChange(Config: new() { ["schema"] = "x" }), CancellationToken.None));

        Assert.Equal(source with { Port = 5433, UpdatedAt = changedSource.UpdatedAt }, changedSource);
        Assert.Equal("pw", changed.Config.Text("password"));
        var config = PostgresDestinationConfig.From(changed);
        Assert.Equal(("127.0.0.1", 5432, "target", "rosetta", "x", "prefer"), (config.Host, config.Port, config.Database, config.User, config.Schema!, config.SslMode));
    }

    [Fact]
    public async Task Should_let_a_request_survive_its_first_worker_and_allow_one_resync_at_a_time()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync();
        var (requests, epochs) = (new PipelineRequestRepository(store.Database), new EpochRepository(store.Database));
        var first = (await epochs.IssueAsync(pipeline.Id, "first", CancellationToken.None))!.Value;
        var resync = StoreUnderTest.Value(await requests.AddAsync(pipeline.Id, PipelineRequestKind.Resync, [1, 2], null, "key", CancellationToken.None));
        await RefusedAsync(StoreOutcome.IllegalState, requests.AddAsync(pipeline.Id, PipelineRequestKind.Resync, null, null, null, CancellationToken.None));
        await RefusedAsync(StoreOutcome.UnknownReference, requests.AddAsync(4711, PipelineRequestKind.Resync, null, null, null, CancellationToken.None));
        StoreUnderTest.Value(await requests.AddAsync(pipeline.Id, PipelineRequestKind.ResyncTable, null, "public.a", null, CancellationToken.None));
        Assert.True(await requests.BeginAsync(resync, first, CancellationToken.None));

        var second = (await epochs.IssueAsync(pipeline.Id, "second", CancellationToken.None))!.Value;

        Assert.False(await requests.FinishAsync(resync, first, null, CancellationToken.None));
        var open = await requests.OpenAsync(pipeline.Id, CancellationToken.None);
        Assert.Equal([PipelineRequestKind.Resync, PipelineRequestKind.ResyncTable], open.Select(r => r.Kind));
        Assert.Equal([1L, 2L], open[0].DestinationIds!.Value.ToArray());
        Assert.True(await requests.FinishAsync(resync, second, "no such slot", CancellationToken.None));
        Assert.Equal(("FAILED", "no such slot"), ((await requests.FindStateAsync(resync.Id, CancellationToken.None))!.State, "no such slot"));
        StoreUnderTest.Value(await requests.AddAsync(pipeline.Id, PipelineRequestKind.Resync, null, null, null, CancellationToken.None));
    }

    static async Task RefusedAsync<T>(StoreOutcome outcome, Task<StoreResult<T>> write)
        where T : class
    {
        var result = await write;
        Assert.Equal(outcome, result.Outcome);
        Assert.False(string.IsNullOrWhiteSpace(result.Detail));
    }
}
