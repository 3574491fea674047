using System.Diagnostics;
using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Destination;
using Rosetta.Testing.Servers;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Postgres.Tests.Chunks;

/// <summary>A source at which commits can be made to wait for a standby that does not exist.</summary>
public sealed class WaitingSource : IAsyncLifetime
{
    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions
    {
        Name = "waiting",
        Version = Tests.Source.SourceServer.Version,
        Settings = new Dictionary<string, string>
        {
            // Only who asks for it waits.
            ["synchronous_standby_names"] = "nobody", ["synchronous_commit"] = "local", ["autovacuum"] = "off", ["max_replication_slots"] = "20",
        },
    });

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>
/// Chunks among concurrent changes, interleaved at random on real servers: whatever happens between the reading of a chunk and its landing, the newest state
/// of each key wins, and no row comes back.
/// </summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ChunkPlacementTests(DestinationServer destination, WaitingSource source, ITestOutputHelper output) : IClassFixture<WaitingSource>
{
    const int Rows = 120;

    /// <summary>10,000 take about an hour alone on a small machine.</summary>
    static readonly int Trials = Environment.GetEnvironmentVariable("ROSETTA_TEST_TRIALS") is { Length: > 0 } given ? int.Parse(given, CultureInfo.InvariantCulture)
        : Environment.GetEnvironmentVariable("ROSETTA_LONG") == "1" ? 10_000 : 300;

    const string Tables = "CREATE TABLE numbers (id int PRIMARY KEY, n int, big text); CREATE TABLE words (a text, b int, n int, big text, PRIMARY KEY (a, b));";

    [Fact]
    public async Task Should_let_the_newest_win_whatever_happens_around_a_chunk()
    {
        var seed = Environment.GetEnvironmentVariable("ROSETTA_TEST_SEED") is { } given ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        var counts = new TrialCounts();
        var hasCitext = await source.Server.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citext')");
        KeyKind[] kinds = hasCitext ? [.. KeyKind.All, KeyKind.OfExtension] : KeyKind.All;
        await using var replica = await destination.ReplicaAsync(Create(atTarget: false), sourceServer: source.Server);
        await replica.TargetAsync(Create(atTarget: true));
        await replica.StartAsync();
        await using var reader = await ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default);
        await using var traffic = await ChunkTraffic.OpenAsync(replica.SourceConnection);
        await using var target = await ChunkTraffic.OpenAsync(replica.TargetConnection);
        for (var trial = 0; trial < Trials; trial++)
        {
            if (trial % 100 == 0 && Environment.GetEnvironmentVariable("ROSETTA_TEST_LOGS") is { } folder)
                await File.WriteAllTextAsync(Path.Combine(folder, "chunk-trials"), $"{trial} trials from seed {seed}: {counts}\n");
            try
            {
                await new ChunkTrial(replica, reader, traffic, target, kinds, new Random(seed + trial), counts).RunAsync();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Trial {trial} of seed {seed} failed (ROSETTA_TEST_SEED={seed + trial} repeats it): {e.Message}", e);
            }
        }

        output.WriteLine($"{Trials} trials from seed {seed}: {counts}");
        Assert.True(
            counts.Hung > 0 && counts.Again > 0 && counts.Pending > 0 && counts.Deleted > 0 && counts.Swept > 0 && counts.Ranges > counts.Unsure && counts.Unsure > 0
            && counts.Direct > counts.Chunks / 10 && counts.Direct < counts.Chunks && counts.DirectAfterCut > 0, counts.ToString());

        string Create(bool atTarget) =>
            (hasCitext ? "CREATE EXTENSION citext; " : "") + KeyKind.TypesSql(atTarget) + string.Concat(kinds.Select(k => k.CreateSql(atTarget)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_load_ranges_and_go_on_with_chunks_after_the_last_of_them(bool otherType)
    {
        await using var replica = await destination.ReplicaAsync($"{Tables} INSERT INTO numbers SELECT i, i % 7, 'row ' || i FROM generate_series(1, 100) i", sourceServer: source.Server);
        // A wider column: the rows go through a stage.
        await replica.TargetAsync($"CREATE TABLE numbers (id int PRIMARY KEY, n {(otherType ? "bigint" : "int")}, big text)");
        await replica.StartAsync("numbers", "words");
        await replica.Session.ForgetTableAsync(new TableName("public", "numbers"), default);
        await using var export = await SnapshotExport.CreateAsync(new SourceDatabase(replica.SourceEndpoint), $"export_{otherType}".ToLowerInvariant(), isTemporary: true);
        await using var workers = await export.ImportAsync(1, default);
        var worker = workers.Workers[0];
        var table = ChunkSource.TableOf((await worker.DescribeAsync(new TableName("public", "numbers"), default))!, null, new PublicationFacts(false, []));
        var copy = new ChunkedCopy(replica.Routes[table.Table.Name], table, false, true, export.Since);
        await replica.SourceAsync("UPDATE numbers SET n = -1 WHERE id % 3 = 0; DELETE FROM numbers WHERE id % 10 = 1; INSERT INTO numbers VALUES (0, 0, 'new'), (200, 0, 'new'); UPDATE numbers SET id = id + 1000 WHERE id IN (5, 95)");
        await using (var chunks = (await replica.Session.OpenChunksAsync(copy, default))!)
        {
            ChunkRange? range = null;
            for (var i = 0; i < 2; i++)
            {
                await chunks.LoadAsync(worker.CopyRangeOut(table, range?.UpTo, 30, found => range = found), () => LoadedRange.Of(range!), null, default);
            }

            await chunks.LandedAsync();
            Assert.Equal(60, chunks.Rows);

            Assert.Equal(["60"], chunks.FinishedUpTo!);
            Assert.Equal(60, await replica.TargetScalarAsync<long>("SELECT count(*) FROM numbers"));
        }

        // The node died; the snapshot is gone.
        await replica.ReopenAsync(replica.Opening.Epoch + 1);
        Assert.Equal(["60"], replica.Session.Tables[table.Table.Name].Copying!.UpTo!);
        await using (var chunks = (await replica.Session.OpenChunksAsync(copy with { Restart = false }, default))!)
        await using (var reader = await ChunkSource.OpenAsync(replica.SourceEndpoint, new PublicationFacts(false, []), default))
        {
            while (!chunks.RangesAreFinished)
            {
                var chunk = await reader.ReadAsync(
                    table, new ChunkRange(chunks.FinishedUpTo, null), 25, chunks.Watch(1), (staged, token) => chunks.StageAsync(1, staged, token), default);
                await replica.FollowAsync();
                Assert.True((await chunks.LandAsync(chunk, default)).HasLanded);
            }

            Assert.True(await chunks.FinishAsync(default));
        }

        await replica.FollowAsync();
        if (!otherType)
            await replica.AssertEqualAsync("numbers");
        await using var here = await ChunkTraffic.OpenAsync(replica.SourceConnection);
        await using var there = await ChunkTraffic.OpenAsync(replica.TargetConnection);
        const string rows = "SELECT t::text FROM numbers t ORDER BY 1";
        Assert.Equal(await here.QueryAsync(rows), await there.QueryAsync(rows));
    }

    sealed class TrialCounts
    {
        public int Chunks;
        public int Direct;
        public int DirectAfterCut;
        public int Cut;
        public int Again;
        public int Pending;
        public int Hung;
        public int Ranges;
        public int Unsure;
        public long Inserted;
        public long Updated;
        public long Deleted;
        public long Swept;

        public override string ToString() =>
            $"{Chunks} chunks landed, {Direct} of them without a stage ({DirectAfterCut} in copies that had been cut {Cut} times), {Again} were read again, {Pending} keys read alone, {Hung} commits hung; {Inserted} rows inserted, {Updated} updated, {Deleted} deleted by chunks, {Swept} of them by looking up keys; {Ranges} ranges compared by digest, of which {Unsure} had rows to be read";
    }

    sealed class ChunkTrial(Replica replica, ChunkSource reader, ChunkTraffic traffic, ChunkTraffic target, KeyKind[] kinds, Random random, TrialCounts counts)
    {
        readonly KeyKind _kind = kinds[random.Next(3) == 0 ? 0 : random.Next(kinds.Length)];

        TableName Table => new("public", _kind.Name);

        public async Task RunAsync()
        {
            var replaces = random.Next(2) == 0;
            await PrepareAsync(replaces);
            traffic.Random = random;
            for (var i = random.Next(10); i > 0; i--)
                await traffic.StepAsync(Statement);
            if (random.Next(2) == 0)
                await replica.FollowAsync(random.Next(1, 40));
            replica.Session.Streamed.Suspect(await reader.FindSuspectsAsync(default));
            // What was cut goes on where it was.
            for (var restart = true; !await CopyAsync(replaces, restart); restart = false)
                counts.Cut++;
            await traffic.EndAsync();
            counts.Hung = traffic.Hung;
            await replica.FollowAsync();
            await AssertEqualAsync();
        }

        async Task AssertEqualAsync()
        {
            var rows = $"SELECT t::text FROM {Table.Name} t ORDER BY t::text COLLATE \"C\"";
            var (here, there) = (await traffic.QueryAsync(rows), await target.QueryAsync(rows));
            Assert.Equal(here, there);
        }

        /// <summary>False: it was cut.</summary>
        async Task<bool> CopyAsync(bool replaces, bool restart)
        {
            var table = (await reader.DescribeAsync(Table, null, default))!;
            // With a condition the end of a range is that of what was read; without one it is looked for before.
            if (random.Next(2) == 0)
                table = table with { Condition = "true" };
            var copy = new ChunkedCopy(replica.Routes[Table], table, replaces, restart, replica.Session.Position);
            await using var chunks = (await replica.Session.OpenChunksAsync(copy, default))!;
            Assert.NotNull(chunks);
            var watch = Stopwatch.StartNew();
            if (replaces && random.Next(3) > 0 && await reader.DescribeDigestAsync(table, default) is { } form && await chunks.OpenDigestsAsync(form, default) is { } digests)
                await CompareAsync(chunks, digests, table, watch);
            // As a lane does it: the next range may be read before this one lands.
            ReadChunk? ahead = null;
            while (!chunks.RangesAreFinished)
            {
                if (random.Next(15) == 0)
                    return false;
                var chunk = ahead ?? await ReadAsync(chunks, mark => ReadRangeAsync(mark, new ChunkRange(chunks.FinishedUpTo, null)), 0);
                ahead = chunk.Range.IsLast || random.Next(2) == 0 ? null : await ReadAsync(chunks, mark => ReadRangeAsync(mark, new ChunkRange(chunk.Range.UpTo, null)), 1 - chunk.Watched.Stage);
                while (!await LandAsync(chunks, chunk, watch))
                    chunk = await ReadAsync(chunks, mark => ReadRangeAsync(mark, new ChunkRange(chunk.Range.After, chunk.Range.UpTo)), chunk.Watched.Stage);

                Task<ReadChunk> ReadRangeAsync(WatchMark mark, ChunkRange range) =>
                    reader.ReadAsync(table, range, random.Next(10, 60), mark, (rows, token) => chunks.StageAsync(mark.Stage, rows, token), default);
            }

            while (!chunks.IsSwept)
            {
                var run = await chunks.NextKeysAsync(random.Next(10, 60), default);
                ReadChunk found;
                do
                    found = await ReadAsync(chunks, mark => reader.FindMissingAsync(table, run, mark, (_, _) => throw new InvalidOperationException(), default), random.Next(2));
                while (!await LandAsync(chunks, found, watch));
            }

            while (true)
            {
                var keys = await chunks.PendingAsync(random.Next(1, 20), default);
                if (keys.Count == 0)
                {
                    if (!await chunks.FinishAsync(default))
                        continue;
                    counts.Direct += ((TableChunks)chunks).LandedDirectly;
                    counts.DirectAfterCut += restart ? 0 : ((TableChunks)chunks).LandedDirectly;
                    return true;
                }

                counts.Pending += keys.Count;
                var chunk = await ReadAsync(
                    chunks, mark => reader.ReadKeysAsync(table, keys, mark, (rows, token) => chunks.StageAsync(mark.Stage, rows, token), default), random.Next(2));
                await LandAsync(chunks, chunk, watch);
            }
        }

        /// <summary>Some ranges or all by their digests, and of what differs the rows.</summary>
        async Task CompareAsync(ITableChunks chunks, IRangeDigests digests, ChunkTable table, Stopwatch watch)
        {
            while (!chunks.RangesAreFinished && random.Next(8) > 0)
            {
                var stage = random.Next(ITableChunks.Stages);
                var digest = await ReadAsync(
                    chunks, mark => reader.ReadDigestAsync(table, new ChunkRange(chunks.FinishedUpTo, null), random.Next(10, 60), mark, default), stage);
                await PassAsync(digest.High);
                if (await digests.PlaceAsync(digest, default) is not null)
                {
                    await AgainAsync(watch);
                    continue;
                }

                await DisturbAsync();
                var verdict = await digests.CompareAsync(digest, default);
                counts.Ranges++;
                counts.Unsure += verdict.Unsure.Count > 0 ? 1 : 0;
                foreach (var buckets in verdict.Unsure.Chunk(random.Next(1, 20)))
                {
                    ReadChunk chunk;
                    do
                    {
                        chunk = await ReadAsync(
                            chunks, mark => reader.ReadAsync(table, digest.Range with { Buckets = buckets }, 1, mark, (rows, token) => chunks.StageAsync(stage, rows, token), default), stage);
                    }
                    while (!await LandAsync(chunks, chunk, watch));
                }

                await digests.PassedAsync(digest.Range, digest.Source.Rows, default);
            }
        }

        async Task PassAsync(Lsn high)
        {
            while (replica.Session.Position < high)
            {
                await reader.NudgeAsync(default);
                await replica.FollowAsync(random.Next(1, 40));
            }
        }

        async Task AgainAsync(Stopwatch watch)
        {
            counts.Again++;
            // Whoever hangs for ever would keep the chunk away for ever.
            if (watch.Elapsed > TimeSpan.FromSeconds(5) || random.Next(4) == 0)
                await traffic.EndAsync();
        }

        async Task<T> ReadAsync<T>(ITableChunks chunks, Func<WatchMark, Task<T>> read, int stage)
        {
            await DisturbAsync();
            var mark = chunks.Watch(stage);
            await DisturbAsync();
            var chunk = await read(mark);
            await DisturbAsync();
            return chunk;
        }

        async Task<bool> LandAsync(ITableChunks chunks, ReadChunk chunk, Stopwatch watch)
        {
            await PassAsync(chunk.High);
            var landing = await chunks.LandAsync(chunk, default);
            if (!landing.HasLanded)
            {
                await AgainAsync(watch);
                return false;
            }

            counts.Chunks++;
            counts.Inserted += landing.Inserted;
            counts.Updated += landing.Updated;
            counts.Deleted += landing.Deleted;
            counts.Swept += chunk.Swept is null ? 0 : landing.Deleted;
            return true;
        }

        async Task DisturbAsync()
        {
            for (var i = random.Next(6); i > 0; i--)
            {
                if (random.Next(4) == 0)
                    await replica.FollowAsync(random.Next(1, 40));
                else if (random.Next(60) == 0)
                    await traffic.TryAloneAsync($"TRUNCATE {Table.Name}");
                else
                    await traffic.StepAsync(Statement);
            }
        }

        /// <summary>A table of some rows at the source; at the target nothing, or what a damaged copy may hold.</summary>
        async Task PrepareAsync(bool replaces)
        {
            var name = Table.Name;
            await traffic.ExecuteAsync($"TRUNCATE {name}; {InsertSql($"1, {random.Next(Rows)}", 0, Big(random))}");
            await replica.FollowAsync();
            await replica.Session.ForgetTableAsync(Table, default);
            await target.ExecuteAsync(replaces
                ? $"DELETE FROM {name} WHERE i % 5 = {random.Next(5)}; UPDATE {name} SET n = -1 WHERE i % 7 = {random.Next(7)}; {InsertSql("-20, 200, 9", -2, "'extra'")}{Vary(random, 3)}"
                : $"TRUNCATE {name}");
        }

        string InsertSql(string numbers, int n, string big) =>
            $"INSERT INTO {_kind.Name} SELECT {_kind.Of("x")}, x, {n}, {big} FROM generate_series({numbers}) x ON CONFLICT DO NOTHING";

        string Vary(Random r, int share) => _kind.Vary is { } vary ? $"; UPDATE {_kind.Name} SET {vary} WHERE i % {share} = {r.Next(share)}" : "";

        static string Big(Random random) => random.Next(3) switch { 0 => "NULL", 1 => $"'small {random.Next(9)}'", _ => $"repeat('{(char)('a' + random.Next(20))}', {2500 + random.Next(3000)})" };

        string Statement(Random r)
        {
            var from = r.Next(Rows);
            var range = $"BETWEEN {from} AND {from + r.Next(6)}";
            var name = _kind.Name;
            return r.Next(10) switch
            {
                0 => InsertSql($"{from}, {from + r.Next(20)}", 1, Big(r)),
                1 or 2 => $"UPDATE {name} SET n = n + 1 WHERE i {range}",
                3 => $"UPDATE {name} SET big = {Big(r)} WHERE i {range}",
                4 => $"DELETE FROM {name} WHERE i {range}",
                5 => $"UPDATE {name} SET ({_kind.Key}, i) = ROW({_kind.Of("i + 1000")}, i + 1000) WHERE i {range}",
                6 => $"UPDATE {name} SET ({_kind.Key}, i, n) = ROW({_kind.Of("i - 1000")}, i - 1000, n + 1) WHERE i BETWEEN {1000 + from} AND {1000 + from + 10}",
                7 => $"UPDATE {name} SET n = -n WHERE i {range}",
                8 => $"DELETE FROM {name} WHERE i {range}; {InsertSql($"{from}, {from + 3}", 7, Big(r))}",
                _ => $"UPDATE {name} SET n = n - 1 WHERE i {range}{Vary(r, 20)}",
            };
        }
    }
}
