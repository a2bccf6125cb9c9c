"""What ``check`` says of readings of the four configs that no single mistake explains."""

from verdicts import judge

from reference.lessons.codebases.recipes_of import recipe_of_config


def reading(wrong):
    return lambda name: recipe_of_config(name) | wrong.get(name, {})


def test_a_reader_of_one_config_is_told_which_are_left_however_the_others_are_left_out():
    left = "○ recipe_of_config: right so far; still to do is name='trl', name='openrlhf', name='skyrl'."
    table = {"verl": recipe_of_config("verl")}
    assert judge("recipe_of_config", lambda name: table.get(name)).message == left
    assert judge("recipe_of_config", lambda name: table[name]).message == left


def test_a_key_error_of_another_kind_is_shown():
    verdict = judge("recipe_of_config", lambda name: {"verl": 1}["loss"])
    assert "it raised KeyError" in verdict.message


def test_two_mistakes_in_one_config_are_both_named_and_nothing_that_is_right_is_told():
    verdict = judge("recipe_of_config", reading({"verl": {"dual_clip": None, "clip_low": 0.1, "clip_high": 0.1}}))
    assert verdict.status == "wrong" and "wrong on 1 of 4 cases" in verdict.message
    assert "clip_low = 0.1, clip_high = 0.1: an option of the clip that this version does not read" in verdict.message
    assert "dual_clip = None: a bound that holds where the advantage is negative" in verdict.message
    assert "3.0" not in verdict.message and "k3" not in verdict.message


def test_mistakes_in_two_configs_are_told_for_the_first_of_them():
    verdict = judge("recipe_of_config", reading({"trl": {"clip_high": 5.0}, "skyrl": {"dual_clip": 10.0}}))
    assert "wrong on 2 of 4 cases. The simplest: name='trl'" in verdict.message
    assert "clip_high = 5.0: a cap of the weight itself" in verdict.message and "dual_clip" not in verdict.message


def test_an_answer_in_other_words_is_not_taken_for_a_known_mistake():
    verdict = judge("recipe_of_config", reading({"verl": {"kl": "low_var_kl"}}))
    assert "kl = 'low_var_kl': not what the config amounts to" in verdict.message


def test_without_a_kl_its_estimator_and_coefficient_are_not_compared():
    nothing = {"kl_place": None, "kl": "k1", "kl_coef": 0.0}
    also = {"kl_place": None, "kl": None, "kl_coef": None}
    assert (
        judge("recipe_of_config", reading({"trl": nothing})).message
        == judge("recipe_of_config", reading({"trl": also})).message
    )


def test_a_misspelled_name_may_be_refused_by_any_error_of_a_lookup():
    def refuses(given, defaults):
        return defaults | {name: value for name, value in given if defaults[name] is not ...}

    assert judge("settle_options", refuses).passed


def test_an_error_on_names_that_are_there_is_no_refusal():
    def fails(given, defaults):
        raise ValueError("never")

    assert "it raised ValueError" in judge("settle_options", fails).message
