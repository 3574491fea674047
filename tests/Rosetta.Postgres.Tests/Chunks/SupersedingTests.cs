using Rosetta.Core.Chunks;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Destination;
using Xunit;

namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>A chunk makes pointless what is parked of its keys from before it, and nothing else.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class SupersedingTests(DestinationServer destination)
{
    // The same poison for every row whose n ends in 3, but for chunks: their sessions do not move the position.
    const string Harm =
        """
        CREATE FUNCTION is_lane() RETURNS boolean STABLE LANGUAGE sql AS $$ SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'rosetta_position') $$;
        ALTER TABLE numbers ADD CONSTRAINT small CHECK (n % 10 <> 3 OR NOT is_lane()) NOT VALID; ALTER TABLE words ADD CONSTRAINT small CHECK (n % 10 <> 3 OR NOT is_lane()) NOT VALID;
        """;

    const string Tables =
        """
        CREATE TABLE numbers (id int PRIMARY KEY, n int); INSERT INTO numbers SELECT i, 0 FROM generate_series(1, 100) i;
        CREATE TABLE words (k text COLLATE "C" PRIMARY KEY, n int); INSERT INTO words SELECT 'w' || i, 0 FROM generate_series(1, 100) i;
        """;

    static readonly TableName Numbers = new("public", "numbers");
    static readonly TableName Words = new("public", "words");

    readonly Destination.Letters _parked = new();

    async Task<Replica> StartAsync()
    {
        var replica = await destination.ReplicaAsync(Tables);
        replica.Park(_parked);
        await replica.StartAsync();
        await replica.TargetAsync(Harm);
        await replica.FollowAsync();
        return replica;
    }

    static Task<ChunkSource> ReaderAsync(Replica replica) => ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default);

    static async Task<ITableChunks> OpenAsync(Replica replica, ChunkTable table, ChunkPurpose purpose) => (await replica.Session.OpenChunksAsync(
        new ChunkedCopy(replica.Routes[table.Table.Name], table, true, false, replica.Session.Position) { Purpose = purpose, Job = purpose == ChunkPurpose.Backfill ? "some" : null }, default))!;

    /// <param name="meanwhile">At the source, between the reading of the chunk and its landing.</param>
    static async Task<ChunkLanding> LandAsync(Replica replica, TableName name, ChunkPurpose purpose, ChunkRange range, string? meanwhile = null)
    {
        await using var reader = await ReaderAsync(replica);
        replica.Session.Streamed.Suspect(await reader.FindSuspectsAsync(default));
        var table = (await reader.DescribeAsync(name, null, default))!;
        await using var chunks = await OpenAsync(replica, table, purpose);
        var chunk = await reader.ReadAsync(table, range, 1_000, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default);
        if (meanwhile is not null)
            await replica.SourceAsync(meanwhile);
        await replica.FollowAsync(parks: true);
        var landing = await chunks.LandAsync(chunk, default);
        Assert.True(landing.HasLanded, landing.ReadAgain);
        while (chunks is { RangesAreFinished: true, IsSwept: false })
        {
            var run = await chunks.NextKeysAsync(1_000, default);
            var missing = await reader.FindMissingAsync(table, run, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default);
            await replica.FollowAsync(parks: true);
            var swept = await chunks.LandAsync(missing, default);
            landing = landing with { Superseded = landing.Superseded + swept.Superseded, Deleted = landing.Deleted + swept.Deleted };
        }

        return landing;
    }

    static Task<string?> KeysAsync(Replica replica) =>
        replica.TargetScalarAsync<string>("SELECT coalesce(string_agg(array_to_string(key, ',') || coalesce('>' || array_to_string(moved_to, ','), ''), ' ' ORDER BY commit_lsn, ordinal), '') FROM rosetta.parked");

    async Task RecoverAsync(Replica replica)
    {
        await replica.TargetAsync("ALTER TABLE numbers DROP CONSTRAINT small; ALTER TABLE words DROP CONSTRAINT small");
        foreach (var table in new[] { Numbers, Words })
            Assert.Empty(await _parked.RecoverAsync(replica, table));
        await replica.FollowAsync(parks: true);
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Session.Parked);
    }

    [Fact]
    public async Task Should_supersede_what_is_parked_of_the_keys_of_a_backfill_and_leave_what_is_newer_or_elsewhere()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id IN (1, 2, 3, 90)");
        await replica.FollowAsync(parks: true);
        await replica.SourceAsync("UPDATE numbers SET n = 4 WHERE id = 1; DELETE FROM numbers WHERE id = 3; INSERT INTO numbers VALUES (200, 13)");
        await replica.FollowAsync(parks: true);
        var landing = await LandAsync(replica, Numbers, ChunkPurpose.Backfill, new ChunkRange(null, ["50"]), "UPDATE numbers SET n = 23 WHERE id = 2; UPDATE numbers SET n = 33 WHERE id = 4");

        // Of 2 there is a newer change; 3 is gone at the source, and a backfill deletes nothing; 90 and 200 are not in the range.
        Assert.Equal(2, landing.Superseded);
        Assert.Equal("2 3 90 3 200 2 4", await KeysAsync(replica));
        Assert.Equal((4, 0, 0, 0), (await NumberAsync(1), await NumberAsync(2), await NumberAsync(3), await NumberAsync(4)));
        await replica.SourceAsync("UPDATE numbers SET n = 5 WHERE id IN (1, 2)");
        await replica.FollowAsync(parks: true);
        Assert.Equal((5, 0), (await NumberAsync(1), await NumberAsync(2)));
        await RecoverAsync(replica);

        Task<int> NumberAsync(int id) => replica.TargetScalarAsync<int>($"SELECT coalesce((SELECT n FROM numbers WHERE id = {id}), -1)");
    }

    [Fact]
    public async Task Should_hold_what_was_parked_by_a_transaction_during_which_a_copy_began()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id = 1");
        await replica.FollowAsync(parks: true);
        await replica.SourceAsync("UPDATE numbers SET n = 13 WHERE id = 2");
        await using var reader = await ReaderAsync(replica);
        var table = (await reader.DescribeAsync(Numbers, null, default))!;
        ITableChunks? chunks = null;
        _parked.Before = async () => chunks ??= await OpenAsync(replica, table, ChunkPurpose.Copy);
        await replica.FollowAsync(parks: true);
        await using (chunks)
        {
            Assert.Equal("2", await KeysAsync(replica));
            Assert.Equal([Numbers], replica.Session.Parked.Keys);
            // What comes after it waits, and does not pass it.
            await replica.SourceAsync("UPDATE numbers SET n = 4 WHERE id = 2");
            await replica.FollowAsync(parks: true);
            Assert.Equal("2 2", await KeysAsync(replica));
        }
    }

    [Fact]
    public async Task Should_supersede_keys_that_the_source_lacks_where_their_rows_are_deleted()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id IN (1, 2, 90); UPDATE words SET n = 3 WHERE k IN ('w1', 'w2', 'w90')");
        await replica.FollowAsync(parks: true);
        await replica.SourceAsync("DELETE FROM numbers WHERE id IN (1, 90); DELETE FROM words WHERE k IN ('w1', 'w90')");
        await replica.FollowAsync(parks: true);
        Assert.Equal(10, _parked.All.Count);
        var landing = await LandAsync(replica, Numbers, ChunkPurpose.Repair, new ChunkRange(null, null), "INSERT INTO numbers VALUES (1, 13)");
        // 1 came again: what is parked of it stays, and so does its row here.
        Assert.Equal((3, 1), (landing.Superseded, landing.Deleted));
        Assert.True(await replica.TargetScalarAsync<bool>("SELECT n = 0 FROM numbers WHERE id = 1"));
        landing = await LandAsync(replica, Words, ChunkPurpose.Repair, new ChunkRange(null, null), "INSERT INTO words VALUES ('w1', 13)");
        Assert.Equal((3, 1), (landing.Superseded, landing.Deleted));
        Assert.Equal("1 w1 1 w1 1 w1", await KeysAsync(replica));
        await RecoverAsync(replica);
    }

    [Fact]
    public async Task Should_supersede_joined_keys_together_or_not_at_all()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id IN (1, 2, 5)");
        await replica.FollowAsync(parks: true);
        await replica.SourceAsync("UPDATE numbers SET id = 301, n = 4 WHERE id = 1; UPDATE numbers SET id = 0, n = 4 WHERE id = 5; DELETE FROM numbers WHERE id = 2; UPDATE numbers SET id = 2 WHERE id = 301; UPDATE numbers SET id = 302 WHERE id = 10");
        await replica.FollowAsync(parks: true);
        // A deleted row that is not deleted here keeps all that is joined with it: 0 was told, 5 is gone.
        Assert.Equal(0, (await LandAsync(replica, Numbers, ChunkPurpose.Backfill, new ChunkRange(null, ["50"]))).Superseded);
        Assert.Equal("1 2 5 1>301 5>0 2 301>2", await KeysAsync(replica));
        // 301 lies outside, so 1 and 2 stay.
        Assert.Equal(2, (await LandAsync(replica, Numbers, ChunkPurpose.Repair, new ChunkRange(null, ["50"]))).Superseded);
        Assert.Equal("1 2 1>301 2 301>2", await KeysAsync(replica));
        Assert.Equal(5, (await LandAsync(replica, Numbers, ChunkPurpose.Repair, new ChunkRange(null, null))).Superseded);
        Assert.Empty(replica.Session.Parked);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_replace_rows_in_a_first_copy_that_are_old_because_their_changes_are_parked()
    {
        await using var replica = await StartAsync();
        await replica.Session.ForgetTableAsync(Numbers, default);
        await replica.TargetAsync("TRUNCATE numbers");
        await using var reader = await ReaderAsync(replica);
        var table = (await reader.DescribeAsync(Numbers, null, default))!;
        await using var chunks = (await replica.Session.OpenChunksAsync(new ChunkedCopy(replica.Routes[Numbers], table, false, true, replica.Session.Position), default))!;
        // They are here before their chunk, then a change of theirs is parked.
        await replica.SourceAsync("UPDATE numbers SET n = 1 WHERE id IN (1, 2, 3)");
        await replica.FollowAsync(parks: true);
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id IN (1, 2)");
        await replica.SourceAsync("UPDATE numbers SET n = 5 WHERE id = 1");
        await replica.FollowAsync(parks: true);
        var chunk = await reader.ReadAsync(table, new ChunkRange(null, null), 1_000, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default);
        await replica.FollowAsync(parks: true);
        var landing = await chunks.LandAsync(chunk, default);
        Assert.Equal((97, 2, 3), (landing.Inserted, landing.Updated, landing.Superseded));
        Assert.True(await chunks.FinishAsync(default));
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Session.Parked);
    }

    [Theory]
    [InlineData(FailpointNames.ChunkSuperseded, 3)]
    [InlineData(FailpointNames.ChunkBeforeCommit, 3)]
    [InlineData(FailpointNames.ChunkAfterCommit, 1)]
    public async Task Should_supersede_with_the_chunk_or_not_at_all_wherever_it_is_cut(string failpoint, int parked)
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id IN (1, 90); UPDATE numbers SET n = 13 WHERE id = 1");
        await replica.FollowAsync(parks: true);
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), times: 1))
            await Assert.ThrowsAsync<FailpointException>(() => LandAsync(replica, Numbers, ChunkPurpose.Backfill, new ChunkRange(null, ["50"])));
        await replica.ReopenAsync(2);
        Assert.Equal(parked, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
        Assert.Equal(parked == 1, await replica.TargetScalarAsync<bool>("SELECT n = 13 FROM numbers WHERE id = 1"));
        await replica.SourceAsync("UPDATE numbers SET n = 7 WHERE id = 1");
        await replica.FollowAsync(parks: true);
        Assert.Equal(parked == 1, await replica.TargetScalarAsync<bool>("SELECT n = 7 FROM numbers WHERE id = 1"));
        await RecoverAsync(replica);
    }

    [Fact]
    public async Task Should_forget_nothing_when_a_chunk_fails()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE numbers SET n = 3 WHERE id IN (1, 2)");
        await replica.FollowAsync(parks: true);
        await replica.TargetAsync("ALTER TABLE numbers ADD CHECK (n <> 3)");
        await Assert.ThrowsAnyAsync<Exception>(() => LandAsync(replica, Numbers, ChunkPurpose.Backfill, new ChunkRange(null, ["50"])));
        await replica.SourceAsync("UPDATE numbers SET n = 4 WHERE id = 1");
        await replica.FollowAsync(parks: true);
        Assert.Equal("1 2 1", await KeysAsync(replica));
        await replica.TargetAsync("ALTER TABLE numbers DROP CONSTRAINT numbers_n_check");
        Assert.Equal(3, (await LandAsync(replica, Numbers, ChunkPurpose.Backfill, new ChunkRange(null, ["50"]))).Superseded);
        await RecoverAsync(replica);
    }
}
