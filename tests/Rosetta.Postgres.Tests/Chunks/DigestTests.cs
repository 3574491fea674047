using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Destination;
using Xunit;

namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>What the digests of a range see and what they do not confuse. Real servers; nothing moves meanwhile.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class DigestTests(DestinationServer server)
{
    const string Table =
        """
        CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN short AS varchar(10);
        CREATE TABLE things (id int PRIMARY KEY, n numeric, f float8, t text, m mood, s short, iv interval, j json, a int[], made int GENERATED ALWAYS AS (id * 2) STORED);
        INSERT INTO things SELECT i, 1.50, 0, 'row ' || i, 'sad', 'short', '1 day', '{"a": 1}', ARRAY[i] FROM generate_series(1, 500) i
        """;

    [Theory]
    [InlineData("UPDATE things SET n = 1.5 WHERE id = 77", 1)]
    [InlineData("UPDATE things SET f = '-0' WHERE id = 77", 1)]
    [InlineData("UPDATE things SET iv = '24 hours' WHERE id = 77", 1)]
    [InlineData("UPDATE things SET j = '{\"a\":1}' WHERE id = 77", 1)]
    [InlineData("UPDATE things SET m = 'happy' WHERE id = 77", 1)]
    [InlineData("UPDATE things SET t = NULL, s = 'row 77' WHERE id = 77", 1)]
    [InlineData("DELETE FROM things WHERE id = 77", 1)]
    [InlineData("INSERT INTO things (id) VALUES (0)", 1)]
    [InlineData("UPDATE things SET id = -77 WHERE id = 77", 2)]
    [InlineData("UPDATE things SET extra = 'only here'", 0)]
    public async Task Should_see_every_difference_and_only_where_it_is(string damage, int buckets)
    {
        await using var compared = await ComparedAsync();
        Assert.Empty((await compared.CompareAsync()).Unsure);
        await compared.Replica.TargetAsync(damage);
        var verdict = await compared.CompareAsync();
        Assert.InRange(verdict.Unsure.Count, buckets == 0 ? 0 : 1, buckets);
        Assert.Equal(verdict.Unsure.Count, verdict.Differing);
        if (buckets > 0)
            await compared.MendAsync(verdict);
        Assert.Empty((await compared.CompareAsync()).Unsure);
        await compared.Replica.AssertEqualAsync();
    }

    // The sum of hashes that are themselves sums of the columns' hashes would not change.
    [Fact]
    public async Task Should_see_values_that_two_rows_of_one_bucket_have_exchanged()
    {
        await using var compared = await ComparedAsync();
        var pair = await compared.Replica.TargetScalarAsync<int[]>(
            $"SELECT (array_agg(id ORDER BY id))[1:2] FROM things GROUP BY pg_catalog.hash_record_extended(ROW(id), 0) & {RangeDigest.BucketCount - 1} HAVING count(*) > 1 LIMIT 1");
        await compared.Replica.TargetAsync(
            $"UPDATE things t SET t = o.t FROM things o WHERE t.id IN ({pair![0]}, {pair[1]}) AND o.id IN ({pair[0]}, {pair[1]}) AND o.id <> t.id");
        Assert.Single((await compared.CompareAsync()).Unsure);
    }

    [Fact]
    public async Task Should_not_judge_by_digest_what_was_changed_since()
    {
        await using var compared = await ComparedAsync();
        var digest = await compared.ReadAsync();
        await compared.Replica.SourceAsync("UPDATE things SET t = 'newer' WHERE id IN (5, 9); UPDATE things SET id = 1000 WHERE id = 11; UPDATE things SET n = 7");
        await compared.Replica.FollowAsync();
        var verdict = await compared.CompareAsync(digest);
        Assert.Equal(0, verdict.Differing);
        Assert.True(verdict.Unsure.Count > 300, verdict.ToString());
    }

    [Theory]
    [InlineData("CREATE TABLE t (id int PRIMARY KEY, v point)", null, true)]
    [InlineData("CREATE TABLE t (id int PRIMARY KEY, v int)", "CREATE TABLE t (id int PRIMARY KEY, v bigint)", false)]
    [InlineData("CREATE TABLE t (id int PRIMARY KEY, v varchar(5))", "CREATE TABLE t (v text, x int DEFAULT 5, id int PRIMARY KEY)", true)]
    [InlineData("CREATE TYPE pair AS (x int, y text); CREATE TABLE t (id int PRIMARY KEY, v pair)", null, false)]
    [InlineData("CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id int PRIMARY KEY, v mood[])", null, false)]
    public async Task Should_compare_by_digest_only_what_has_the_same_bytes_on_both_sides(string table, string? target, bool isComparable)
    {
        var replica = await server.ReplicaAsync(table);
        if (target is not null)
            await replica.TargetAsync(target);
        await replica.SourceAsync("INSERT INTO t (id) VALUES (1)");
        await replica.StartAsync();
        await using var compared = await Compared.OpenAsync(replica, "t");
        Assert.Equal(isComparable, compared.Digests is not null);
        if (isComparable)
            Assert.Empty((await compared.CompareAsync()).Unsure);
    }

    async Task<Compared> ComparedAsync()
    {
        var replica = await server.ReplicaAsync(Table);
        // Other columns in another order, and types with other numbers.
        await replica.TargetAsync(
            """
            CREATE TABLE a (x int); CREATE DOMAIN short AS varchar(10); CREATE TYPE mood AS ENUM ('sad', 'happy');
            CREATE TABLE things (made int GENERATED ALWAYS AS (id * 2) STORED, a int[], j json, t text, extra text, m mood, s short, iv interval, f float8, n numeric, id int PRIMARY KEY)
            """);
        await replica.StartAsync();
        return await Compared.OpenAsync(replica, "things");
    }

    sealed class Compared(Replica replica, ChunkSource source, ChunkTable table, ITableChunks chunks, IRangeDigests? digests) : IAsyncDisposable
    {
        public Replica Replica => replica;

        public IRangeDigests? Digests => digests;

        public static async Task<Compared> OpenAsync(Replica replica, string name)
        {
            await replica.FollowAsync();
            var source = await ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default);
            var table = (await source.DescribeAsync(new TableName("public", name), null, default))!;
            var chunks = (await replica.Session.OpenChunksAsync(
                new ChunkedCopy(replica.Routes[table.Table.Name], table, true, false, replica.Session.Position) { Purpose = ChunkPurpose.Repair }, default))!;
            var form = await source.DescribeDigestAsync(table, default);
            return new Compared(replica, source, table, chunks, form is null ? null : await chunks.OpenDigestsAsync(form, default));
        }

        public Task<ReadDigest> ReadAsync() => source.ReadDigestAsync(table, new ChunkRange(null, null), 10_000, chunks.Watch(0), default);

        public async Task<DigestVerdict> CompareAsync(ReadDigest? digest = null)
        {
            digest ??= await ReadAsync();
            await replica.FollowAsync();
            Assert.Null(await digests!.PlaceAsync(digest, default));
            return await digests.CompareAsync(digest, default);
        }

        public async Task MendAsync(DigestVerdict verdict)
        {
            var chunk = await source.ReadAsync(
                table, new ChunkRange(null, null) { Buckets = verdict.Unsure }, 1, chunks.Watch(1), (rows, token) => chunks.StageAsync(1, rows, token), default);
            await replica.FollowAsync();
            Assert.InRange(chunk.Rows, 0, 20);
            Assert.True((await chunks.LandAsync(chunk, default)).HasLanded);
            Assert.False(chunks.RangesAreFinished);
        }

        public async ValueTask DisposeAsync()
        {
            await chunks.DisposeAsync();
            await source.DisposeAsync();
            await replica.DisposeAsync();
        }
    }
}
