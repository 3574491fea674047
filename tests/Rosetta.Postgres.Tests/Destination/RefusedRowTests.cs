using Rosetta.Core.Chunks;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>A row that an update without all of its values did not find is read again; where the destination refuses it, it alone is parked, and comes back in order.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed partial class RefusedRowTests(DestinationServer server)
{
    const string Rows = "ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad (id, big, v) SELECT i, repeat(i::text, 3000), 0 FROM generate_series(1001, 1200) i";
    const string Source = $"CREATE TABLE bad (id int PRIMARY KEY, big text, v int); {Rows}";
    const string Harm = "ALTER TABLE bad ADD CONSTRAINT small CHECK (v % 10 <> 3) NOT VALID";
    static readonly TableName Bad = new("public", "bad");

    readonly Letters _parked = new();

    async Task<Replica> StartAsync(string source = Source, string? harm = Harm, string? target = null)
    {
        var replica = await server.ReplicaAsync(source);
        replica.Park(_parked);
        if (target is not null)
            await replica.TargetAsync(target);
        await replica.StartAsync();
        if (harm is not null)
            await replica.TargetAsync(harm);
        return replica;
    }

    /// <summary>Reads what is pending, as the lane does beside the stream.</summary>
    /// <param name="meanwhile">At the source, between the reading of the first keys and their landing.</param>
    static async Task ReadAgainAsync(Replica replica, int most = 60, string? meanwhile = null)
    {
        await using var reader = await ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default);
        var table = (await reader.DescribeAsync(Bad, null, default))!;
        var copy = new ChunkedCopy(replica.Routes[Bad], table, true, false, replica.Session.Position) { Purpose = ChunkPurpose.Keys };
        await using var chunks = (await replica.Session.OpenChunksAsync(copy, default))!;
        while (!await chunks.FinishAsync(default))
        {
            var keys = await chunks.PendingAsync(most, default);
            var chunk = await reader.ReadKeysAsync(table, keys, chunks.Watch(0), (rows, token) => chunks.StageAsync(0, rows, token), default);
            if (meanwhile is not null)
                await replica.SourceAsync(meanwhile);
            meanwhile = null;
            await replica.FollowAsync(parks: true);
            Assert.True((await chunks.LandAsync(chunk, default)).HasLanded);
        }
    }

    /// <summary>Nothing refuses them any more.</summary>
    async Task RecoverAsync(Replica replica)
    {
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await _parked.RecoverAsync(replica, Bad));
        await EndAsync(replica);
    }

    static async Task EndAsync(Replica replica)
    {
        if (replica.Session.Pending.Count > 0)
            await ReadAgainAsync(replica);
        Assert.Empty(replica.Session.Parked);
        await replica.FollowAsync(parks: true);
        await replica.AssertEqualAsync();
    }

    static Task<string?> ParkedAsync(Replica replica) =>
        replica.TargetScalarAsync<string>("SELECT coalesce(string_agg(coalesce(array_to_string(key, ','), '') || CASE WHEN failed THEN '!' ELSE '' END, ' ' ORDER BY commit_lsn, ordinal), '') FROM rosetta.parked");

    [Fact]
    public async Task Should_park_exactly_the_rows_that_are_refused_and_what_comes_after_them()
    {
        await using var replica = await StartAsync();
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1020");
        await replica.SourceAsync("UPDATE bad SET v = id WHERE id <= 1040 AND (id % 10 <> 3 OR id <= 1013)");
        await replica.FollowAsync(parks: true);
        Assert.Empty(_parked.All);
        Assert.Equal([Bad], replica.Session.Pending);
        await ReadAgainAsync(replica);
        Assert.Equal("1003! 1013!", await ParkedAsync(replica));
        Assert.Equal(18, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE id <= 1020"));
        Assert.All(_parked.All, l => Assert.Equal((ErrorClass.Data, "23514"), (l.Failure!.Class, l.Failure.SqlState)));
        Assert.Empty(replica.Session.Pending);

        // Updated, deleted and made anew, moved: all of it waits.
        await replica.SourceAsync("UPDATE bad SET v = 5 WHERE id = 1003; DELETE FROM bad WHERE id = 1013; INSERT INTO bad VALUES (1013, 'short', 6); UPDATE bad SET id = 2013 WHERE id = 1013; UPDATE bad SET v = 1 WHERE id = 1004");
        await replica.FollowAsync(parks: true);
        Assert.Equal("1003! 1013! 1003 1013 1013 1013", await ParkedAsync(replica));
        await replica.ReopenAsync(2);
        await replica.SourceAsync("UPDATE bad SET v = v + 1 WHERE id IN (1003, 2013)");
        await replica.FollowAsync(parks: true);
        Assert.Equal("1003! 1013! 1003 1013 1013 1013 1003 2013", await ParkedAsync(replica));
        Assert.Equal(2, (await _parked.RecoverAsync(replica, Bad)).Count);
        await RecoverAsync(replica);
    }

    [Fact]
    public async Task Should_neither_write_an_older_row_over_a_newer_one_nor_bring_a_deleted_one_back()
    {
        await using var replica = await StartAsync();
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1006");
        await replica.SourceAsync("UPDATE bad SET v = 3 WHERE id <= 1006");
        await replica.FollowAsync(parks: true);
        // While they are read one changes, one goes, and one comes with all of its values and is refused itself.
        await ReadAgainAsync(replica, meanwhile: "UPDATE bad SET v = 4 WHERE id = 1001; DELETE FROM bad WHERE id = 1002; UPDATE bad SET v = 13, big = 'new' WHERE id = 1003");
        Assert.Equal("1004! 1005! 1006! 1003!", await ParkedAsync(replica));
        Assert.Equal("1001 4", await replica.TargetScalarAsync<string>("SELECT string_agg(id || ' ' || v, ',' ORDER BY id) FROM bad WHERE id <= 1006"));
        // One goes at the source while it is parked, and another one becomes right.
        await replica.SourceAsync("DELETE FROM bad WHERE id = 1004; UPDATE bad SET v = 7 WHERE id = 1005");
        await replica.FollowAsync(parks: true);
        // A chunk brings all: what is parked of them is older.
        await replica.SourceAsync("UPDATE bad SET v = 8 WHERE id IN (1003, 1006)");
        await replica.FollowAsync(parks: true);
        await RecoverAsync(replica);
    }

    [Theory]
    [InlineData(FailpointNames.RefusedRecorded, 0, 0)]
    [InlineData(FailpointNames.RefusedStored, 0, 2)]
    [InlineData(FailpointNames.ChunkBeforeCommit, 0, 2)]
    [InlineData(FailpointNames.ChunkAfterCommit, 2, 2)]
    public async Task Should_park_a_refused_row_once_wherever_it_is_cut(string failpoint, int parked, int payloads)
    {
        await using var replica = await StartAsync();
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1010");
        await replica.SourceAsync("UPDATE bad SET v = 3 WHERE id <= 1002; UPDATE bad SET v = 4 WHERE id BETWEEN 1003 AND 1010");
        await replica.FollowAsync(parks: true);
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), times: 1))
            await Assert.ThrowsAsync<FailpointException>(() => ReadAgainAsync(replica));
        Assert.Equal((parked, payloads), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"), _parked.All.Count));
        await replica.ReopenAsync(2);
        Assert.Equal(parked == 0, replica.Session.Pending.Contains(Bad));
        // Another row is at the source by now; a payload that was left is not taken for it.
        await replica.SourceAsync("UPDATE bad SET v = 13 WHERE id <= 1002");
        await replica.FollowAsync(parks: true);
        await ReadAgainAsync(replica);
        Assert.Equal(parked == 0 ? "1001! 1002!" : "1001! 1002! 1001 1002", await ParkedAsync(replica));
        Assert.Equal(8, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE id <= 1010"));
        await RecoverAsync(replica);
    }

    [Fact]
    public async Task Should_park_nothing_while_the_payloads_are_not_kept()
    {
        await using var replica = await StartAsync();
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1002");
        await replica.SourceAsync("UPDATE bad SET v = id + 2 WHERE id <= 1002");
        await replica.FollowAsync(parks: true);
        _parked.Refuse = true;
        await Assert.ThrowsAsync<Core.DeadLetters.DeadLetterStoreException>(() => ReadAgainAsync(replica));
        Assert.Equal("", await ParkedAsync(replica));
        Assert.Equal([Bad], replica.Session.Pending);
        _parked.Refuse = false;
        await ReadAgainAsync(replica);
        Assert.Equal("1001!", await ParkedAsync(replica));
        await RecoverAsync(replica);
    }

    [Fact]
    public async Task Should_fail_when_most_rows_are_refused()
    {
        await using var replica = await StartAsync();
        await replica.TargetAsync("DELETE FROM bad");
        await replica.SourceAsync("UPDATE bad SET v = CASE WHEN id <= 1140 THEN 3 ELSE 4 END");
        await replica.FollowAsync(parks: true);
        var refused = await Assert.ThrowsAsync<FaultException>(() => ReadAgainAsync(replica, most: 500));
        Assert.Equal(ErrorClass.Data, refused.Fault.Class);
        Assert.Contains("of 200 changes", refused.Fault.Reason, StringComparison.Ordinal);
        Assert.Equal(("", 0), (await ParkedAsync(replica), _parked.All.Count));
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        await EndAsync(replica);
    }

    public static TheoryData<string, string?, string?, string> Shapes => new()
    {
        // Another type there.
        { Source, "CREATE TABLE bad (id bigint PRIMARY KEY, big text, v numeric)", null, "1001! 1001" },
        // A key of two columns in another order than the table's.
        { $"CREATE TABLE bad (v int, part text DEFAULT 'p', big text, id int, PRIMARY KEY (part, id)); {Rows}", null, null, "p,1001! p,1001" },
        // Rows that cannot be told apart by their key's bytes: all of them wait.
        { $"CREATE TABLE bad (id numeric PRIMARY KEY, big text, v int); {Rows}", null, null, "! " },
        // Types without a binary form, of users, generated columns.
        {
            $"CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE bad (id int PRIMARY KEY, big text, v int, twice int GENERATED ALWAYS AS (v * 2) STORED, m mood DEFAULT 'glad', j jsonb DEFAULT '[1]', b bytea, t timestamptz DEFAULT '2020-02-02'); {Rows}",
            null, "ALTER TABLE bad ADD a aclitem DEFAULT 'postgres=r/postgres', ADD n int", "1001! 1001"
        },
        { $"CREATE TABLE bad (id int PRIMARY KEY, big text, v int); ALTER TABLE bad REPLICA IDENTITY FULL; {Rows}", null, null, "1001! 1001" },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Should_park_rows_of_every_shape_as_the_stream_would_bring_them(string source, string? target, string? altered, string parked)
    {
        await using var replica = await StartAsync(source, target: target);
        await replica.SourceAsync($"{altered}; UPDATE bad SET v = 1 WHERE id = 1100");
        await replica.FollowAsync(parks: true);
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1002");
        // Under FULL the old row has the values that are left out: the row is inserted, or refused by itself.
        await replica.SourceAsync("UPDATE bad SET v = v + 3 WHERE id = 1001");
        await replica.FollowAsync(parks: true);
        if (replica.Session.Pending.Count > 0)
            await ReadAgainAsync(replica);
        await replica.SourceAsync("UPDATE bad SET v = 4 WHERE id = 1001");
        await replica.FollowAsync(parks: true);
        Assert.Equal(parked, await ParkedAsync(replica));
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await _parked.RecoverAsync(replica, Bad));
        Assert.Equal("1001 4", await replica.TargetScalarAsync<string>("SELECT string_agg(id || ' ' || v, ',' ORDER BY id) FROM bad WHERE id <= 1002"));
        Assert.Empty(replica.Session.Parked);
        await replica.SourceAsync("UPDATE bad SET big = 'x' WHERE id = 1002");
        await replica.FollowAsync(parks: true);
        const string all = "SELECT string_agg(b::text, E'\n' ORDER BY id) FROM bad b";
        Assert.Equal(await replica.SourceScalarAsync<string>(all), await replica.TargetScalarAsync<string>(all));
    }

    [Fact]
    public async Task Should_find_the_row_that_another_table_s_rule_refuses_at_the_commit()
    {
        await using var replica = await StartAsync(
            harm: "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v % 10 = 3 THEN RAISE 'no'; END IF; RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER small AFTER INSERT OR UPDATE ON bad DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse(); ALTER TABLE bad ENABLE ALWAYS TRIGGER small");
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1005");
        await replica.SourceAsync("UPDATE bad SET v = id WHERE id <= 1005");
        await replica.FollowAsync(parks: true);
        await ReadAgainAsync(replica);
        Assert.Equal("1003!", await ParkedAsync(replica));
        await replica.TargetAsync("DROP TRIGGER small ON bad");
        Assert.Empty(await _parked.RecoverAsync(replica, Bad));
        await EndAsync(replica);
    }
}
