using System.Diagnostics;
using System.Globalization;
using Rosetta.Bench.Processes;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Snapshot;

/// <summary>The same copy by several, each into a database of its own that is dropped afterwards.</summary>
/// <param name="rows">Counts the rows that have come to a database.</param>
/// <param name="wanted">How many there have to be.</param>
sealed class Contest(BenchOptions options, Journal journal, BenchDatabases databases, BenchNode node, Func<string, Task<long>> rows, long wanted)
{
    readonly Dictionary<string, List<Effort>> _efforts = [];

    readonly record struct Effort(double Seconds, CopyCost Cpu, long PeakBytes);

    /// <param name="name">Its letters and the round name its database.</param>
    /// <param name="prepare">What is done in the database before the clock runs.</param>
    /// <param name="end">What is done before the database is dropped.</param>
    public async Task MeasureAsync(string name, int round, Func<string, Task> copy, CancellationToken cancellationToken, Func<string, Task>? prepare = null, Func<string, Task>? end = null)
    {
        if (!options.Wants(name))
            return;
        var target = databases.Targets[0];
        var database = string.Create(CultureInfo.InvariantCulture, $"{string.Concat(name.ToLowerInvariant().Where(char.IsAsciiLetter))}_{round}");
        await target.CreateDatabaseAsync(database, cancellationToken);
        if (prepare is not null)
            await prepare(database);
        await target.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
        node.ForgetPeak();
        var before = CopyCost.Take(databases.Source, target, node.ProcessId);
        var watch = Stopwatch.StartNew();
        await copy(database);
        var effort = new Effort(watch.Elapsed.TotalSeconds, CopyCost.Take(databases.Source, target, node.ProcessId) - before, node.PeakResidentBytes);
        if (!_efforts.TryGetValue(name, out var efforts))
            _efforts[name] = efforts = [];
        efforts.Add(effort);
        journal.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"round {round}: {name} {effort.Seconds:0.0} s, CPU {effort.Cpu.Source:0.0} + {effort.Cpu.Target:0.0} + {effort.Cpu.Client:0.0} s"));
        if (await rows(database) is var there && there != wanted)
            throw new InvalidOperationException($"{name} brought {there} of {wanted} rows.");
        if (end is not null)
            await end(database);
        await target.ExecuteAsync($"DROP DATABASE {database} WITH (FORCE)", cancellationToken: cancellationToken);
    }

    /// <summary>A line for each.</summary>
    /// <param name="standard">The one that the others are compared with, round by round.</param>
    public MarkdownTable Table(string title, string standard)
    {
        var table = new MarkdownTable(title, "s, median", $"speed, of {standard} in the same round", "CPU s: source", "target", "in between", "node's peak MB");
        var measure = _efforts.GetValueOrDefault(standard);
        foreach (var (name, efforts) in _efforts)
        {
            var middle = Figures.Median(efforts, e => e.Seconds);
            table.Add(
                name, Figures.Text(middle.Seconds, 1),
                measure is null ? "-" : string.Join(", ", efforts.Zip(measure, (own, other) => Figures.Text(other.Seconds / own.Seconds, 2))),
                Figures.Text(middle.Cpu.Source, 1), Figures.Text(middle.Cpu.Target, 1), Figures.Text(middle.Cpu.Client, 1),
                name.StartsWith("Rosetta", StringComparison.Ordinal) ? Figures.Megabytes(efforts.Max(e => e.PeakBytes)) : "-");
        }

        return table;
    }

    public bool IsEmpty => _efforts.Count == 0;

    /// <summary>The median of a name's times in seconds, NaN without any.</summary>
    public double Seconds(string name) => _efforts.TryGetValue(name, out var efforts) ? Figures.Median(efforts, e => e.Seconds).Seconds : double.NaN;
}
