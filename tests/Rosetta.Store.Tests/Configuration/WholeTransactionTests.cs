using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Sources;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.Configuration;

[Collection(nameof(StoreCollection))]
public sealed class WholeTransactionTests(StoreFixture fixture)
{
    [Fact]
    public async Task Should_keep_the_writes_of_all_repositories_or_none()
    {
        await using var opened = await fixture.NewStoreAsync();
        var store = new ConfigStore(opened.Database, opened.Installation);

        async Task<long> WriteAsync(ConfigStore within)
        {
            var source = StoreUnderTest.Value(await within.Sources.AddAsync(new NewSource("s", "h", 1, "d", "u", new("pw")), CancellationToken.None));
            var pipeline = StoreUnderTest.Value(await within.Pipelines.AddAsync("p", source.Id, CancellationToken.None));
            // A refusal in the middle costs only itself, whether a constraint or the pipeline's state says no.
            Assert.Equal(StoreOutcome.NameTaken, (await within.Pipelines.AddAsync("p", source.Id, CancellationToken.None)).Outcome);
            Assert.Equal(StoreOutcome.StillReferenced, (await within.Sources.DeleteAsync(source.Id, CancellationToken.None)).Outcome);
            Assert.Equal(StoreOutcome.IllegalState, (await within.Pipelines.SetStatusAsync(pipeline.Id, PipelineStatus.Start, CancellationToken.None)).Outcome);
            Assert.Equal("p", (await within.Pipelines.FindAsync(pipeline.Id, CancellationToken.None))!.Name);
            return pipeline.Id;
        }

        await store.TransactAsync(WriteAsync, _ => false, CancellationToken.None);
        Assert.Equal(0, (await store.Pipelines.ListAsync(10, 0, CancellationToken.None)).Total);
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.TransactAsync<long>(
            async within =>
            {
                await WriteAsync(within);
                throw new InvalidOperationException("in the middle");
            },
            _ => true, CancellationToken.None));
        Assert.Equal(0, (await store.Sources.ListAsync(10, 0, CancellationToken.None)).Total);
        var id = await store.TransactAsync(WriteAsync, _ => true, CancellationToken.None);
        Assert.Equal("p", (await store.Pipelines.FindAsync(id, CancellationToken.None))!.Name);
    }

    [Fact]
    public async Task Should_let_single_changes_and_other_such_transactions_wait_until_it_ends()
    {
        await using var opened = await fixture.NewStoreAsync();
        var store = new ConfigStore(opened.Database, opened.Installation);
        var pipeline = await opened.AddPipelineAsync("p");
        var inside = new TaskCompletionSource();
        var end = new TaskCompletionSource();
        var whole = store.TransactAsync(
            async within =>
            {
                inside.SetResult();
                await end.Task;
                return (await within.Sources.ChangeAsync(pipeline.Source.Id, new SourceChange(Host: "first"), CancellationToken.None)).IsSaved;
            },
            _ => true, CancellationToken.None);
        await inside.Task;
        var single = store.Sources.ChangeAsync(pipeline.Source.Id, new SourceChange(Host: "second"), CancellationToken.None);
        var other = store.TransactAsync(
            async within => (await within.Sources.FindAsync(pipeline.Source.Id, CancellationToken.None))!.Host, _ => false, CancellationToken.None);
        await Wait.UntilAsync(
            async () => await opened.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 2,
            "both wait");
        // What nodes write about a pipeline goes on.
        Assert.NotNull(await store.Epochs.IssueAsync(pipeline.Id, "node", CancellationToken.None));
        end.SetResult();

        Assert.True(await whole);
        Assert.True((await single).IsSaved);
        Assert.Contains(await other, (string[])["first", "second"]);
        Assert.Equal("second", (await store.Sources.FindAsync(pipeline.Source.Id, CancellationToken.None))!.Host);
    }

    [Fact]
    public async Task Should_find_the_tables_chosen_for_a_destination_beyond_a_thousand_pipelines()
    {
        await using var store = await fixture.NewStoreAsync();
        var destination = await store.AddDestinationAsync("d");
        var source = await store.AddSourceAsync("s");
        await store.ExecuteAsync(
            """
            INSERT INTO pipelines (name, source_id) SELECT 'p' || i, @source FROM generate_series(1, 1500) i;
            INSERT INTO pipeline_destinations (pipeline_id, destination_id) SELECT id, @destination FROM pipelines;
            INSERT INTO table_syncs (pipeline_id, destination_id, table_name, enabled) SELECT id, @destination, 'public.t_' || name, name <> 'p1500' FROM pipelines;
            """,
            new { source = source.Id, destination = destination.Id });
        var last = await store.ScalarAsync<long>("SELECT id FROM pipelines WHERE name = 'p1500'");

        var chosen = await store.Attachments.ChosenTablesAsync(destination.Id, CancellationToken.None);

        Assert.Equal(1500, chosen.Count);
        Assert.Equal(new ChosenTable(last, "p1500", "public.t_p1500", null, false), chosen[^1]);
        Assert.Empty(await store.Attachments.ChosenTablesAsync(4711, CancellationToken.None));
    }
}
