using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Chunks;
using Rosetta.Postgres.Tests.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Snapshot;

[Collection(SourceServerCollection.Name)]
public sealed class SnapshotRangeTests(SourceServer source)
{
    const int Rows = 120;

    [Fact]
    public async Task Should_read_every_row_once_whatever_the_type_of_the_key()
    {
        var hasCitext = await source.Server.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citext')");
        KeyKind[] kinds = hasCitext ? [.. KeyKind.All, KeyKind.OfExtension] : KeyKind.All;
        var name = await source.CreateDatabaseAsync(
            (hasCitext ? "CREATE EXTENSION citext; " : "") + KeyKind.TypesSql(false)
            + string.Concat(kinds.Select(k => $"{k.CreateSql(false)} INSERT INTO {k.Name} ({k.Key}, i) SELECT {k.Of("g")}, g FROM generate_series(1, {Rows}) g;")));
        await using var database = source.Database(name);
        await using var export = await SnapshotExport.CreateAsync(database, $"ranges_{Guid.NewGuid():N}", isTemporary: true);
        await using var workers = await export.ImportAsync(1, default);
        var worker = workers.Workers[0];
        foreach (var kind in kinds)
        {
            var described = (await worker.DescribeAsync(new TableName("public", kind.Name), default))!;
            var table = ChunkSource.TableOf(described, null, new PublicationFacts(false, []));
            var counts = new List<long>();
            for (var range = new ChunkRange(null, null); counts.Count == 0 || !range.IsLast;)
            {
                var copy = worker.CopyRangeOut(table, range.UpTo, 50, found => range = found);
                await foreach (var _ in copy.ReadAsync(default))
                {
                    // The rows are counted by the copy.
                }

                counts.Add(copy.Rows!.Value);
            }

            Assert.True(counts is [50, 50, 20], $"{kind.Name}: ranges of {string.Join(", ", counts)} rows");
            // What was seen of other schemas for the ranges is not seen any more: types are named in full.
            Assert.Equal(described.Columns.Select(c => c.TypeSql), (await worker.DescribeAsync(described.Name, default))!.Columns.Select(c => c.TypeSql));
        }
    }
}
