using Rosetta.Postgres.Destination.Statements;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>The transaction under way on a session's connection.</summary>
sealed class DestinationTransaction
{
    readonly List<StageTable> _stages = [];
    readonly List<(StageTable Stage, int Run)> _made = [];

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
    /// <param name="run">The number of the run that they are of; rising.</param>
    public string? Ready(StageTable stage, int rows, int run)
    {
        if (!_stages.Contains(stage))
            _stages.Add(stage);
        if (!stage.Exists)
        {
            stage.Exists = stage.IsNew = true;
            stage.Rows = rows;
            _made.Add((stage, run));
            return stage.CreateSql;
        }

        if (!stage.IsFull)
        {
            stage.Rows += rows;
            return null;
        }

        stage.Rows = rows;
        return $"TRUNCATE pg_temp.{stage.Name}";
    }

    /// <summary>What was made by a run and by those after it is gone.</summary>
    public void TakenBack(int run)
    {
        foreach (var (stage, _) in _made.Where(m => m.Run >= run))
        {
            stage.Exists = stage.IsNew = false;
            stage.Rows = 0;
            _stages.Remove(stage);
        }

        _made.RemoveAll(m => m.Run >= run);
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
            stage.IsNew = false;
            stage.Rows = 0;
        }

        _stages.Clear();
        _made.Clear();
    }
}
