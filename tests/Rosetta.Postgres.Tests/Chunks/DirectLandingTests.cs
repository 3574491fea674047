using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Options;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Destination;
using Xunit;

namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>Chunks that are copied straight into their table, and when they are not. What happens to them among changes is in <see cref="ChunkPlacementTests"/>.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class DirectLandingTests(DestinationServer destination, WaitingSource source) : IClassFixture<WaitingSource>
{
    const string Table = "CREATE TABLE numbers (id int PRIMARY KEY, n int, big text); ALTER TABLE numbers ALTER big SET STORAGE EXTERNAL;";

    // Of the rows from 51 on an update leaves out a value.
    const string Rows = "INSERT INTO numbers SELECT i, i % 7, CASE WHEN i > 50 THEN repeat('x', 3000) END FROM generate_series(1, 200) i;";

    static readonly TableName Name = new("public", "numbers");

    [Fact]
    public async Task Should_leave_out_rows_that_the_stream_has_brought_or_changed_since()
    {
        await using var replica = await StartAsync(Rows);
        await using var reader = await ReaderAsync(replica);
        await replica.Session.ForgetTableAsync(Name, default);
        await using var chunks = await OpenAsync(replica, reader, c => c);
        await replica.SourceAsync("UPDATE numbers SET n = 100 WHERE id = 1");
        await replica.FollowAsync();
        var chunk = await ReadAsync(chunks, reader, 1_000);
        await replica.SourceAsync("UPDATE numbers SET n = 200 WHERE id = 2; UPDATE numbers SET n = 300 WHERE id = 60; DELETE FROM numbers WHERE id = 3; UPDATE numbers SET id = 1004 WHERE id = 4; INSERT INTO numbers VALUES (1000, 0, 'new')");
        await replica.FollowAsync();
        var landing = await chunks.LandAsync(chunk, default);

        Assert.Equal((195, 0, 1), (landing.Inserted, landing.Updated, chunks.LandedDirectly));
        var pending = await chunks.PendingAsync(10, default);
        Assert.Contains(pending, k => k[0] == "60");
        var keys = await reader.ReadKeysAsync(await TableAsync(reader), pending, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default);
        await replica.FollowAsync();
        Assert.True((await chunks.LandAsync(keys, default)).HasLanded);
        Assert.True(await chunks.FinishAsync(default));
        await replica.AssertEqualAsync("numbers");
    }

    [Fact]
    public async Task Should_go_on_directly_after_a_restart_and_make_equal_what_the_table_has()
    {
        await using var replica = await StartAsync(Rows);
        await using var reader = await ReaderAsync(replica);
        await replica.Session.ForgetTableAsync(Name, default);
        await using (var chunks = await OpenAsync(replica, reader, c => c))
        {
            var chunk = await ReadAsync(chunks, reader, 30);
            await replica.SourceAsync("UPDATE numbers SET n = 500 WHERE id = 40; UPDATE numbers SET n = 500 WHERE id = 45");
            await replica.FollowAsync();
            Assert.True((await chunks.LandAsync(chunk, default)).HasLanded);
            Assert.Equal(1, chunks.LandedDirectly);
        }

        await replica.TargetAsync("UPDATE numbers SET n = -1 WHERE id = 40");
        await replica.ReopenAsync(replica.Opening.Epoch + 1);
        await using (var chunks = await OpenAsync(replica, reader, c => c with { Restart = false }))
        {
            var chunk = await ReadAsync(chunks, reader, 1_000);
            await replica.FollowAsync();
            var landing = await chunks.LandAsync(chunk, default);
            Assert.Equal((168, 1, 1), (landing.Inserted, landing.Updated, chunks.LandedDirectly));
            Assert.True(await chunks.FinishAsync(default));
        }

        await replica.AssertEqualAsync("numbers");
    }

    [Theory]
    [InlineData(FailpointNames.ChunkStaged, 0)]
    [InlineData(FailpointNames.ChunkBeforeCommit, 0)]
    [InlineData(FailpointNames.ChunkAfterCommit, 120)]
    public async Task Should_land_as_a_whole_or_not_at_all_and_go_on_after_it(string failpoint, int landed)
    {
        await using var replica = await StartAsync(Rows);
        await using var reader = await ReaderAsync(replica);
        await replica.Session.ForgetTableAsync(Name, default);
        await using (var chunks = await OpenAsync(replica, reader, c => c))
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), 1))
        {
            var chunk = await ReadAsync(chunks, reader, 120);
            await replica.FollowAsync();
            await Assert.ThrowsAsync<FailpointException>(() => chunks.LandAsync(chunk, default));
        }

        Assert.Equal(landed, await replica.TargetScalarAsync<long>("SELECT count(*) FROM numbers"));
        await replica.ReopenAsync(replica.Opening.Epoch + 1);
        await using (var chunks = await OpenAsync(replica, reader, c => c with { Restart = false }))
        {
            Assert.Equal(landed, chunks.Rows);
            var chunk = await ReadAsync(chunks, reader, 1_000);
            await replica.FollowAsync();
            Assert.Equal(200 - landed, (await chunks.LandAsync(chunk, default)).Inserted);
            Assert.Equal(1, chunks.LandedDirectly);
            Assert.True(await chunks.FinishAsync(default));
        }

        await replica.AssertEqualAsync("numbers");
    }

    [Fact]
    public async Task Should_bring_nothing_when_a_newer_incarnation_is_there()
    {
        await using var replica = await StartAsync(Rows);
        await using var reader = await ReaderAsync(replica);
        await replica.Session.ForgetTableAsync(Name, default);
        await using var chunks = await OpenAsync(replica, reader, c => c);
        var chunk = await ReadAsync(chunks, reader, 1_000);
        await replica.FollowAsync();
        using var fence = Failpoint.Arm(FailpointNames.ChunkBeforeCommit, () => replica.TargetAsync("UPDATE rosetta.position SET epoch = epoch + 1").GetAwaiter().GetResult(), 1);

        await Assert.ThrowsAsync<FencedException>(() => chunks.LandAsync(chunk, default));

        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM numbers"));
    }

    [Fact]
    public async Task Should_bring_a_backfill_directly_while_rows_are_missing_and_stage_it_where_one_is_there()
    {
        await using var replica = await StartAsync(Rows);
        await using var reader = await ReaderAsync(replica);
        await replica.TargetAsync("INSERT INTO numbers VALUES (150, -1, 'other')");
        await using var chunks = await OpenAsync(replica, reader, c => c with { Replace = true, Restart = false, Purpose = ChunkPurpose.Backfill, Job = "some" });
        var direct = new List<int>();
        while (!chunks.RangesAreFinished)
        {
            var chunk = await ReadAsync(chunks, reader, 40);
            await replica.FollowAsync();
            Assert.True((await chunks.LandAsync(chunk, default)).HasLanded);
            direct.Add(chunks.LandedDirectly);
        }

        // The first shows what is missing; the fourth meets the row that is there; the next ones are careful.
        Assert.Equal([0, 1, 2, 2, 2, 2], direct);
        Assert.True(await chunks.FinishAsync(default));
        await replica.AssertEqualAsync("numbers");
    }

    [Fact]
    public async Task Should_stage_a_chunk_that_is_too_large_to_be_held()
    {
        await using var replica = await StartAsync("INSERT INTO numbers SELECT i, i, repeat('y', 1000000) FROM generate_series(1, 20) i;");
        await using var reader = await ReaderAsync(replica);
        await replica.Session.ForgetTableAsync(Name, default);
        await using var chunks = await OpenAsync(replica, reader, c => c);
        var chunk = await ReadAsync(chunks, reader, 1_000);
        await replica.FollowAsync();

        Assert.True(chunk.Bytes > HeldRows.Capacity);
        Assert.Equal(20, (await chunks.LandAsync(chunk, default)).Inserted);
        Assert.Equal(0, chunks.LandedDirectly);
        Assert.True(await chunks.FinishAsync(default));
        await replica.AssertEqualAsync("numbers");
    }

    [Fact]
    public void Should_hold_no_more_chunks_than_a_node_may()
    {
        var held = new List<HeldRows>();
        while (HeldRows.TryTake() is { } one)
            held.Add(one);
        Assert.InRange(held.Count, 1, 4);
        held.ForEach(h => h.Dispose());
        using var again = HeldRows.TryTake();
        Assert.NotNull(again);
        Assert.True(again.TryAdd(new byte[HeldRows.Capacity]));
        Assert.False(again.TryAdd([1]));
    }

    [Fact]
    public void Should_find_each_of_many_keys_by_its_bytes()
    {
        using var keys = new KeyIndex();
        for (var i = 0; i < 5_000; i++)
            Assert.Equal((i, true), (keys.FindOrAdd(Encoding.UTF8.GetBytes($"key {i}"), out var added), added));
        Assert.Equal((7, false), (keys.FindOrAdd("key 7"u8, out var again), again));

        Assert.Equal(5_000, keys.Count);
        Assert.Equal((7, 8, 4_999, -1), (keys.Find("key 7"u8), keys.Find("key 8"u8), keys.Find("key 4999"u8), keys.Find("key 5000"u8)));
    }

    [Fact]
    public void Should_go_by_the_change_of_a_key_that_left_out_values_if_there_is_one()
    {
        using var rows = new RowSource();
        var id = new BoundColumn(0, new TargetColumn("id", 23, -1, "integer", "integer", false), null, true);
        using var plan = TablePlan.Create(
            new Relation(1, "public", "numbers", ReplicaIdentity.Default, [new RelationColumn("id", 23, -1, true)]), Name,
            new TargetTable(1, Name, 'r', [id.Target], ["id"], false, false, false, false, []), [id], [0], true, true, rows, TableOptions.None);
        var table = new TableDescription(1, Name, [new ColumnDescription("id", 23, -1, "integer", true, null, null, null, true)], ["id"], 'd', ["id"], 0, 0);
        var copy = new ChunkedCopy(new TableRoute(Name, Name, null), new ChunkTable(table, ["id"], CopyFormat.Binary, null), false, false, default);
        byte[][] changed = [Changed(7, false), Changed(8, false), Changed(7, true), Changed(7, false), Changed(9, true), Changed(5, true)];
        byte[] bytes = [.. Encoding.Latin1.GetBytes("PGCOPY\n\u00ff\r\n\0"), .. new byte[8], .. Row(6), .. Row(7), .. Row(8), .. Row(9), 0xff, 0xff];

        using var split = ChunkSplit.Of(copy, changed, () => plan)!;
        var parts = split.Divide(bytes, takesExisting: false);
        Assert.Equal([changed[2], changed[4]], parts.Partial);
        Assert.Equal([0..29, 59..61], parts.Missing);
        Assert.Empty(parts.Existing);

        static byte[] Changed(byte id, bool isPartial) => KeyWindow.RowOf([(byte)ValueKind.Binary, 0, 0, 0, 4, 0, 0, 0, id], isPartial);

        static byte[] Row(byte id) => [0, 1, 0, 0, 0, 4, 0, 0, 0, id];
    }

    async Task<Replica> StartAsync(string rows)
    {
        var replica = await destination.ReplicaAsync(Table + rows, sourceServer: source.Server);
        await replica.TargetAsync(Table);
        await replica.StartAsync("numbers");
        return replica;
    }

    static Task<ChunkSource> ReaderAsync(Replica replica) => ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default);

    static async Task<ChunkTable> TableAsync(ChunkSource reader) => (await reader.DescribeAsync(Name, null, default))!;

    static async Task<TableChunks> OpenAsync(Replica replica, ChunkSource reader, Func<ChunkedCopy, ChunkedCopy> with) =>
        (TableChunks)(await replica.Session.OpenChunksAsync(with(new ChunkedCopy(replica.Routes[Name], await TableAsync(reader), false, true, replica.Session.Position)), default))!;

    static async Task<ReadChunk> ReadAsync(TableChunks chunks, ChunkSource reader, int rows) => await reader.ReadAsync(
        await TableAsync(reader), new ChunkRange(chunks.FinishedUpTo, null), rows, chunks.Watch(0), (staged, token) => chunks.StageAsync(0, staged, token), default);
}
