using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Store.Configuration;
using Rosetta.Store.Spill;

namespace Rosetta.Bench.Spilling;

/// <summary>
/// What a place for spilled changes costs: the same batches of a real stream are written to the config database and to plain files on the same disk, with a flush for each
/// part, and read again.
/// </summary>
static class SpillStoreBench
{
    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        await using var databases = await BenchDatabases.StartAsync(targets: 0, cancellationToken);
        var stream = await BatchStream.ReadAsync(databases, options, cancellationToken);
        journal.Say(string.Create(
            CultureInfo.InvariantCulture, $"{stream.Parts.Count} parts of {stream.Parts.Sum(p => p.Batches.Count)} batches, {stream.Changes:N0} changes, {stream.RawBytes / 1e6:F0} MB as they are encoded"));
        await using var config = new ConfigDatabase(databases.ConfigConnection, NullLogger<ConfigDatabase>.Instance);
        await new ConfigMigrator(config, NullLogger<ConfigMigrator>.Instance).MigrateAsync(cancellationToken);
        await databases.Config.ExecuteAsync(
            """
            INSERT INTO sources (name, pg_host, pg_database, pg_username) VALUES ('s', 'h', 'd', 'u');
            INSERT INTO destinations (name, type) VALUES ('d', 'POSTGRES');
            INSERT INTO pipelines (name, source_id) SELECT 'p', id FROM sources;
            INSERT INTO pipeline_destinations (pipeline_id, destination_id) SELECT p.id, d.id FROM pipelines p, destinations d;
            INSERT INTO pipeline_epochs (pipeline_id, epoch) SELECT id, 1 FROM pipelines;
            """,
            "rosetta", cancellationToken);
        IPartCompression[] compressions = [new ZstdCompression(), new Lz4Compression(), new Uncompressed()];
        var folder = Path.Combine(Path.GetDirectoryName(databases.Config.DataDirectory)!, "spilled");
        var places = compressions.SelectMany(c => new ISpillPlace[] { new DatabasePlace(databases, config, c), new FilePlace(folder, c) }).ToList();

        var runs = new List<SpillRun>();
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var place in places.Where(p => options.Wants(p.Name)))
            {
                runs.Add(await SpillRun.MeasureAsync(place, stream, databases.Config, cancellationToken));
                journal.Say($"round {round}: {runs[^1]}");
            }
        }

        var table = new MarkdownTable("place", "stored / raw", "write MB/s", "CPU s per GB: here", "server", "read MB/s", "CPU s per GB: here", "server");
        foreach (var of in runs.GroupBy(r => r.Place))
        {
            var (write, read) = (Figures.Median(of, r => r.Write.Seconds), Figures.Median(of, r => r.Read.Seconds));
            table.Add(
                of.Key, Figures.Text(write.Stored / (double)write.Raw, 2),
                Rate(write.Raw, write.Write.Seconds), Cpu(write.Raw, write.Write.Node), Cpu(write.Raw, write.Write.Server),
                Rate(read.Raw, read.Read.Seconds), Cpu(read.Raw, read.Read.Node), Cpu(read.Raw, read.Read.Server));
        }

        return table.ToString();

        static string Rate(long bytes, double seconds) => Figures.Text(bytes / 1e6 / seconds, 0);
        static string Cpu(long bytes, double seconds) => Figures.Text(seconds / (bytes / 1e9), 1);
    }
}
