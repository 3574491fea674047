using Microsoft.AspNetCore.Http;
using Rosetta.Store.Configuration;

namespace Rosetta.Api.Problems;

/// <summary>What the outcome of a write to the config database is in HTTP.</summary>
static class StoreResultAnswers
{
    /// <param name="result">What the store said.</param>
    /// <param name="saved">The answer when it was saved.</param>
    /// <param name="referenceField">Field of the body that names another row by id: an unknown one is 422 there.</param>
    public static IResult Answer<T>(this StoreResult<T> result, Func<T, IResult> saved, string referenceField = "id")
        where T : class => result.Outcome switch
        {
            StoreOutcome.Saved => saved(result.Value!),
            StoreOutcome.NotFound => Problem.NotFound(result.Detail!),
            StoreOutcome.UnknownReference => Problem.Invalid(referenceField, result.Detail!),
            StoreOutcome.Invalid => Problem.Of(StatusCodes.Status422UnprocessableEntity, result.Detail!),
            _ => Problem.Conflict(result.Detail!),
        };
}
