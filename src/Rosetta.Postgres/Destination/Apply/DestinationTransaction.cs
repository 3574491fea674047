using Rosetta.Postgres.Destination.Statements;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>The transaction under way on a session's connection.</summary>
sealed class DestinationTransaction
{
    readonly List<StageTable> _stages = [];
    readonly List<StageTable> _sinceSavepoint = [];

    /// <summary>BEGIN was sent or queued.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>A constraint may be waiting for the COMMIT to be checked.</summary>
    public bool MayDefer { get; set; }

    /// <summary>Something in <c>rosetta.tables</c> was changed, which is to be read again after the COMMIT.</summary>
    public bool ChangedStates { get; set; }

    public void Begin()
    {
        IsOpen = true;
        MayDefer = ChangedStates = false;
    }

    /// <summary>A stage is about to take rows; the statement that makes it ready, or null.</summary>
    public string? Ready(StageTable stage)
    {
        if (!_stages.Contains(stage))
            _stages.Add(stage);
        if (!stage.Exists)
        {
            stage.Exists = stage.IsNew = stage.HasRows = true;
            _sinceSavepoint.Add(stage);
            return stage.CreateSql;
        }

        var sql = stage.HasRows ? $"TRUNCATE pg_temp.{stage.Name}" : null;
        stage.HasRows = true;
        return sql;
    }

    /// <summary>A savepoint is set; the one before does not count any more.</summary>
    public void Savepoint() => _sinceSavepoint.Clear();

    /// <summary>What was made since the savepoint is gone.</summary>
    public void RolledBackToSavepoint()
    {
        foreach (var stage in _sinceSavepoint)
        {
            stage.Exists = stage.IsNew = stage.HasRows = false;
            _stages.Remove(stage);
        }

        _sinceSavepoint.Clear();
    }

    public void Committed() => End(committed: true);

    public void RolledBack() => End(committed: false);

    void End(bool committed)
    {
        IsOpen = false;
        foreach (var stage in _stages)
        {
            if (!committed && stage.IsNew)
                stage.Exists = false;
            stage.IsNew = stage.HasRows = false;
        }

        _stages.Clear();
        _sinceSavepoint.Clear();
    }
}
