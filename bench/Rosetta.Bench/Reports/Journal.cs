using System.Diagnostics;
using System.Globalization;

namespace Rosetta.Bench.Reports;

/// <summary>Says on standard error what is being done, with the time since the start and the machine's load: a disturbed run shows.</summary>
sealed class Journal
{
    readonly long _start = Stopwatch.GetTimestamp();

    public void Say(string text) => Console.Error.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(_start).TotalSeconds,7:F1} s  load {Machine.Load():F1}  {text}"));
}
