using Rosetta.Testing.Waiting;

namespace Rosetta.Testing.Equality;

/// <summary>Compares a list of tables at two servers, see <see cref="TableComparison"/>.</summary>
public static class DatabaseComparison
{
    public static async Task<DatabaseComparisonResult> CompareAsync(
        string sourceConnectionString, string destinationConnectionString, IEnumerable<TablePair> tables,
        CancellationToken cancellationToken = default)
    {
        var results = new List<TableComparisonResult>();
        foreach (var table in tables)
        {
            results.Add(await TableComparison.CompareAsync(
                sourceConnectionString, destinationConnectionString, table, cancellationToken: cancellationToken));
        }
        return new DatabaseComparisonResult(results);
    }

    /// <summary>
    /// Compares again and again until all tables are equal. The source must have come to rest. A server that is away counts as
    /// "not yet".
    /// </summary>
    /// <exception cref="TimeoutException">They were not equal in time; the text names the last differences.</exception>
    public static async Task<DatabaseComparisonResult> WaitForEqualityAsync(
        string sourceConnectionString, string destinationConnectionString, IEnumerable<TablePair> tables,
        TimeSpan? deadline = null, CancellationToken cancellationToken = default)
    {
        // The table that differed last time comes first: as long as it differs, the others need not be read.
        var order = new LinkedList<TablePair>(tables);
        TableComparisonResult? unequal = null;
        try
        {
            return await Wait.ForAsync(
                async () =>
                {
                    var equal = new List<TableComparisonResult>();
                    foreach (var table in order.ToArray())
                    {
                        var result = await TableComparison.CompareAsync(
                            sourceConnectionString, destinationConnectionString, table, cancellationToken: cancellationToken);
                        if (!result.Equal)
                        {
                            unequal = result;
                            order.Remove(table);
                            order.AddFirst(table);
                            return null;
                        }
                        equal.Add(result);
                    }
                    return new DatabaseComparisonResult(equal);
                },
                "the destination to become equal to the source", deadline, cancellationToken);
        }
        catch (TimeoutException e) when (unequal is not null)
        {
            throw new TimeoutException($"{e.Message}\n{unequal}", e);
        }
    }
}

/// <summary>All compared tables; its text has a line for each.</summary>
public sealed record DatabaseComparisonResult(IReadOnlyList<TableComparisonResult> Tables)
{
    public bool Equal => Tables.All(t => t.Equal);

    public override string ToString() => string.Join('\n', Tables);
}
