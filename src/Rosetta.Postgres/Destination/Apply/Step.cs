using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>What an operation of a flight does, hence what its row count means.</summary>
enum StepKind : byte
{
    /// <summary>The count says nothing: BEGIN, COPY, staging, inserts.</summary>
    Plain,

    /// <summary>Deletes <see cref="Step.Expected"/> rows; missing ones are divergences.</summary>
    Delete,

    /// <summary>Updates one row with all its columns; when there is none, it is inserted afterwards.</summary>
    UpdateFull,

    /// <summary>Updates a row of which some columns are not known; when there is none, it is read again at the source.</summary>
    UpdatePartial,

    /// <summary>Updates from the stage of such rows; missing ones are read again at the source.</summary>
    UpdateStagedPartial,

    /// <summary>Updates from the stage of whole rows; missing ones are inserted afterwards.</summary>
    UpdateStaged,

    /// <summary>Updates rows, some of which may be missing: see <see cref="FlightLine.IsShort"/>.</summary>
    UpdatePart,

    /// <summary>The rows it inserts are those an update did not find.</summary>
    InsertMissing,
}

/// <summary>An operation of a flight.</summary>
/// <param name="Operation">Its number in the pipeline's results.</param>
/// <param name="Plan">The table it is about; its failure is that table's. Null for what is about the whole transaction.</param>
/// <param name="At">The change it carries, when it carries one alone in source order.</param>
/// <param name="Row">That change's row, or the row of an update that may have to be inserted.</param>
/// <param name="Shape">Of the staged rows.</param>
/// <param name="Run">The run that it is of, see <see cref="FlightLine.Run"/>.</param>
/// <param name="Part">Of the rows that a <see cref="Sieve"/> tries, from 1; 0 for what it does not.</param>
readonly record struct Step(int Operation, TablePlan? Plan, StepKind Kind, long Expected = 1, Position? At = null, RowRef Row = default, int Shape = 0, int Run = 0, int Part = 0);
