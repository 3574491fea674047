using Rosetta.Testing.Workloads.Tables;

namespace Rosetta.Testing.Workloads;

/// <summary>Draws transactions from a seeded random source: the same seed gives the same statements, whatever becomes of them.</summary>
sealed class TrafficGenerator
{
    const int OrdinaryChanges = 4;
    const int LongChanges = 60;

    readonly Random _random;
    readonly MixedWorkloadOptions _options;
    readonly TableTraffic[] _tables;
    readonly int _totalWeight;
    int _transactions;
    int _large;

    public TrafficGenerator(int seed, MixedWorkloadOptions options)
    {
        _random = new Random(seed);
        _options = options;
        _tables = WorkloadSchema.Tables(options);
        _totalWeight = _tables.Sum(t => t.Weight);
    }

    /// <summary>Fills the list with the next transaction's statements, BEGIN and COMMIT (or ROLLBACK) included.</summary>
    public void Next(List<Statement> statements)
    {
        statements.Clear();
        statements.Add(new Statement(null, "BEGIN"));
        _transactions++;
        if (_options.LargeTransactionRows > 0 && _transactions % _options.LargeTransactionEvery == 0
            && _tables.OfType<ItemsTraffic>().FirstOrDefault() is { } items)
        {
            statements.Add(items.Large(_large++, _options.LargeTransactionRows));
        }
        else if (_options.Truncate && _random.Next(500) == 0 && _tables.OfType<EventsTraffic>().FirstOrDefault() is { } events)
            statements.AddRange(events.Truncate(_random));
        else
            AddChanges(statements);
        statements.Add(new Statement(null, "COMMIT"));
    }

    void AddChanges(List<Statement> statements)
    {
        var changes = _random.Next(100) < 4 ? _random.Next(OrdinaryChanges, LongChanges) : _random.Next(1, OrdinaryChanges + 1);
        for (var i = 0; i < changes; i++)
            AddChange(statements);
        switch (_random.Next(100))
        {
            case < 2:
                // Everything is rolled back.
                Rollback(statements, 1, "ROLLBACK");
                // COMMIT outside a transaction would only warn; a new one keeps the shape.
                statements.Add(new Statement(null, "BEGIN"));
                break;
            case < 5:
                // A part is rolled back, and the transaction goes on.
                var first = statements.Count;
                statements.Add(new Statement(null, "SAVEPOINT part"));
                AddChange(statements);
                Rollback(statements, first, "ROLLBACK TO part");
                AddChange(statements);
                break;
            case < 8:
                statements.Add(new Statement(null, "SAVEPOINT part"));
                AddChange(statements);
                statements.Add(new Statement(null, "RELEASE part"));
                break;
        }
    }

    void AddChange(List<Statement> statements)
    {
        var chosen = _random.Next(_totalWeight);
        foreach (var table in _tables)
        {
            chosen -= table.Weight;
            if (chosen >= 0)
                continue;
            table.Add(_random, statements);
            return;
        }
    }

    // What is rolled back counts for no table.
    static void Rollback(List<Statement> statements, int first, string sql)
    {
        for (var i = first; i < statements.Count; i++)
            statements[i] = statements[i] with { Table = null };
        statements.Add(new Statement(null, sql));
    }
}
