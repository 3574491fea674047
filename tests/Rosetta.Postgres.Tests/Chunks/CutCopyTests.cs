using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Destination;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>First copies in the order of the source's pages that are cut: the rest comes by key, of the pages that had not landed, among changes that move rows between pages.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class CutCopyTests(DestinationServer destination, WaitingSource source, ITestOutputHelper output) : IClassFixture<WaitingSource>
{
    const int Rows = 4_000;
    const int Trials = 12;

    const string Table = "CREATE TABLE wide (id int PRIMARY KEY, n int, note text, big text); ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;";

    static int s_moves;

    static readonly TableName Name = new("public", "wide");
    static readonly PublicationFacts Publications = new(false, []);

    [Fact]
    public async Task Should_bring_the_pages_that_had_not_landed_and_nothing_twice_whatever_moves_rows_between_pages()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var replica = await StartAsync("");
        for (var trial = 0; trial < Trials; trial++)
        {
            // Room on the first pages, which later versions of rows on the last ones move to.
            await replica.SourceAsync(
                $"TRUNCATE wide; INSERT INTO wide SELECT i, i % 7, repeat('x', 80), NULL FROM generate_series(1, {Rows}) i ORDER BY i::bigint * 7919 % {Rows}; DELETE FROM wide WHERE random() < 0.2");
            await replica.SourceAsync("VACUUM wide");
            await replica.TargetAsync("DROP TABLE IF EXISTS wide");
            if (replica.Session.Tables.ContainsKey(Name))
                await replica.Session.ForgetTableAsync(Name, default);
            await replica.FollowAsync();
            long landed;
            ChunkTable table;
            await using (var export = await SnapshotExport.CreateAsync(new SourceDatabase(replica.SourceEndpoint), $"cut_{trial}", isTemporary: true))
            await using (var workers = await export.ImportAsync(1, default))
            {
                var worker = workers.Workers[0];
                table = ChunkSource.TableOf((await worker.DescribeAsync(Name, default))!, null, Publications);
                var pages = (await worker.FindPagesAsync(table.Table, default))!.Value;
                Assert.True(pages.Pages > 20, $"{pages.Pages} pages");
                await ChangeAsync(replica, random);
                landed = await LoadAsync(replica, worker, new ChunkedCopy(replica.Routes[Name], table, false, true, export.Since), pages, random);
            }

            await ChangeAsync(replica, random);
            if (random.Next(2) == 0)
                await replica.SourceAsync("VACUUM wide");
            await replica.ReopenAsync(replica.Opening.Epoch + 1);
            await replica.FollowAsync();
            var read = await FinishAsync(replica, new ChunkedCopy(replica.Routes[Name], table, false, false, replica.Session.Position), random);
            await replica.FollowAsync();
            await replica.AssertEqualAsync("wide");
            var all = (await replica.SourceScalarAsync<long>("SELECT count(*) FROM wide"))!;
            output.WriteLine($"{landed} landed before the cut, {read} read after it, {all} there");
            // What was updated or inserted since may have come to pages that had not landed.
            Assert.True(landed + read < all + (Rows / 2), $"{landed} + {read} of {all}");
        }
    }

    [Fact]
    public async Task Should_begin_anew_when_the_table_was_rewritten_after_the_cut()
    {
        await using var replica = await StartAsync($"INSERT INTO wide SELECT i, 1, repeat('x', 80), NULL FROM generate_series(1, {Rows}) i");
        ChunkTable table;
        await using (var export = await SnapshotExport.CreateAsync(new SourceDatabase(replica.SourceEndpoint), "cut_rewritten", isTemporary: true))
        await using (var workers = await export.ImportAsync(1, default))
        {
            var worker = workers.Workers[0];
            table = ChunkSource.TableOf((await worker.DescribeAsync(Name, default))!, null, Publications);
            await LoadAsync(
                replica, worker, new ChunkedCopy(replica.Routes[Name], table, false, true, export.Since), (await worker.FindPagesAsync(table.Table, default))!.Value, new Random(1));
        }

        await replica.SourceAsync("DELETE FROM wide WHERE id <= 1000");
        await replica.SourceAsync("VACUUM FULL wide");
        await replica.ReopenAsync(replica.Opening.Epoch + 1);
        await replica.FollowAsync();
        await Assert.ThrowsAsync<TableRewrittenException>(
            () => FinishAsync(replica, new ChunkedCopy(replica.Routes[Name], table, false, false, replica.Session.Position), new Random(1)));
        await FinishAsync(replica, new ChunkedCopy(replica.Routes[Name], table, false, true, replica.Session.Position), new Random(1));
        await replica.FollowAsync();
        await replica.AssertEqualAsync("wide");
    }

    [Fact]
    public async Task Should_not_read_by_pages_what_the_stream_may_leave_values_out_of()
    {
        await using var replica = await StartAsync("INSERT INTO wide SELECT i, 1, '', CASE i WHEN 5 THEN repeat('x', 3000) END FROM generate_series(1, 10) i");
        await using var export = await SnapshotExport.CreateAsync(new SourceDatabase(replica.SourceEndpoint), "cut_toast", isTemporary: true);
        await using var workers = await export.ImportAsync(1, default);
        Assert.Null(await workers.Workers[0].FindPagesAsync((await workers.Workers[0].DescribeAsync(Name, default))!, default));
    }

    async Task<Replica> StartAsync(string rows)
    {
        var replica = await destination.ReplicaAsync($"{Table} {rows}", sourceServer: source.Server);
        await replica.TargetAsync(Table);
        await replica.StartAsync("wide");
        await replica.Session.ForgetTableAsync(Name, default);
        await replica.TargetAsync("DROP TABLE wide");
        return replica;
    }

    static Task<int> ChangeAsync(Replica replica, Random random) => replica.SourceAsync(
        $"""
        UPDATE wide SET note = repeat('y', {random.Next(40, 400)}), big = CASE WHEN random() < 0.1 THEN repeat('z', 3000) ELSE big END WHERE random() < 0.1;
        UPDATE wide SET n = n + 1 WHERE random() < 0.05;
        UPDATE wide SET id = id + {Interlocked.Increment(ref s_moves) * 10_000} WHERE id <= {Rows} AND random() < 0.01;
        DELETE FROM wide WHERE random() < 0.04;
        INSERT INTO wide SELECT i, 0, repeat('n', 60), CASE WHEN i % 9 = 0 THEN repeat('z', 3000) END FROM generate_series(1, {Rows}) i WHERE random() < 0.1 ON CONFLICT DO NOTHING
        """);

    static async Task<long> LoadAsync(Replica replica, SnapshotWorker worker, ChunkedCopy copy, PageMark pages, Random random)
    {
        await using var chunks = (await replica.Session.OpenChunksAsync(copy, default))!;
        var cut = random.Next(5, (int)pages.Pages - 5);
        for (var from = 0; from < cut;)
        {
            var to = Math.Min(cut, from + random.Next(3, 15));
            await chunks.LoadAsync(worker.CopyPagesOut(copy.Table, from, to), () => new LoadedRange(null, pages with { Pages = to }, false), null, default);
            from = to;
        }

        await chunks.LandedAsync();
        Assert.Equal(pages with { Pages = cut }, chunks.FinishedPages);
        return chunks.Rows;
    }

    static async Task<long> FinishAsync(Replica replica, ChunkedCopy copy, Random random)
    {
        var read = 0L;
        await using var chunks = (await replica.Session.OpenChunksAsync(copy, default))!;
        await using var reader = await ChunkSource.OpenAsync(replica.SourceEndpoint, Publications, default);
        var table = copy.Table with { From = chunks.FinishedPages };
        Assert.Equal(copy.Restart, table.From is null);
        while (!chunks.RangesAreFinished)
            read += await LandAsync(() => reader.ReadAsync(table, new ChunkRange(chunks.FinishedUpTo, null), random.Next(200, 900), chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default));
        do
        {
            while (await chunks.PendingAsync(100, default) is { Count: > 0 } keys)
                await LandAsync(() => reader.ReadKeysAsync(table, keys, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default));
        }
        while (!await chunks.FinishAsync(default));
        return read;

        async Task<long> LandAsync(Func<Task<ReadChunk>> readAsync)
        {
            while (true)
            {
                var chunk = await readAsync();
                if (random.Next(2) == 0)
                    await ChangeAsync(replica, random);
                await replica.FollowAsync();
                if ((await chunks.LandAsync(chunk, default)).HasLanded)
                    return chunk.Rows;
            }
        }
    }
}
