using Rosetta.Demo.Machine;
using Rosetta.Testing.Equality;

namespace Rosetta.Demo.Check;

/// <summary>Every table of the source against every destination; a line each.</summary>
static class Comparison
{
    public static async Task<bool> RunAsync(DemoMachine machine, Journal journal, CancellationToken cancellationToken)
    {
        var equal = true;
        var tables = await TablePair.AllAsync(machine.Source.ConnectionString, cancellationToken: cancellationToken);
        foreach (var target in machine.Targets)
        {
            foreach (var table in tables)
            {
                var result = await TableComparison.CompareAsync(
                    machine.Source.ConnectionString, target.ConnectionString, table, cancellationToken: cancellationToken);
                journal.Line($"{target.Name}: {result}");
                equal &= result.Equal;
            }
        }
        return equal && tables.Count > 0;
    }
}
